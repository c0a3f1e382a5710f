"""Tables on narrow terminals: what does not fit goes row by row, and an id or a number is never cut."""

from __future__ import annotations

from decimal import Decimal

import pytest
from rich.console import Console
from rich.text import Text

from triplegain.cli.explain import QUEUE_WORDS, _Picture, _rungs
from triplegain.cli.tables import RIGHT, WHOLE, Column, table_of
from triplegain.domain.orders import Side
from triplegain.domain.queue_path import QueueChange
from triplegain.domain.told_fills import BookLadder, LadderLevel
from triplegain.domain.told_orders import ToldOrder

LONG = "mkt-a-long-client-order-id-of-thirty"
ROWS = [
    ("O9B1A7-559C3-91FC1C", LONG, "61,836.810000001", "1,234,567.00000001", "rejected: EOrder:Insufficient funds"),
    ("O57CB7-9F025-E69FA2", "short", "0.000000012", "0.00000001", "filled"),
]
COLUMNS: list[Column] = [
    ("order", lambda row: f"{row[0]}\n{row[1]}", WHOLE),
    ("price", lambda row: Text(row[2]), RIGHT),
    ("quantity", lambda row: Text(row[3]), RIGHT),
    ("status", lambda row: row[4]),
]


def shown(width: int) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(table_of(ROWS, *COLUMNS, title="PAPER  Orders"))
    return captured.get()


@pytest.mark.parametrize("width", [40, 50, 60, 80, 100, 120, 200])
def test_every_id_and_number_is_whole_on_any_terminal(width: int) -> None:
    told = shown(width)
    assert all(len(line.rstrip()) <= width for line in told.splitlines()), told
    assert all(value in told for row in ROWS for value in row[:4]), told
    assert "PAPER  Orders" in told


def test_a_table_that_fits_with_its_words_wrapped_stays_one() -> None:
    """36 for the ids, 16 and 18 for the numbers, 20 for the longest word, and what stands between: 97."""
    assert "───" in shown(100) and "EOrder:Insufficient\n" not in shown(200)
    lines = shown(80).splitlines()
    assert "───" not in "".join(lines)
    assert lines[1:3] == [f"order O9B1A7-559C3-91FC1C  {LONG}", "  price 61,836.810000001  quantity 1,234,567.00000001"]


def test_every_change_of_a_queue_has_words() -> None:
    assert set(QUEUE_WORDS) == set(QueueChange) and len(set(QUEUE_WORDS.values())) == len(QUEUE_WORDS)


def test_an_order_that_waited_stands_in_the_picture_even_by_itself() -> None:
    """Bids at 100 and 98, and it waited at 99; an ask of 101. A taker has no place in it."""
    levels = [LadderLevel(Decimal(price), Decimal(1), Decimal(1)) for price in (100, 98, 101)]
    book = BookLadder(tuple(levels[:2]), (levels[2],))
    order = ToldOrder("O", "o", "BTC/USDT", "buy", "filled", None, "", (), (), (), None, "", None, 1, None)
    for own, marks in ((Decimal(99), ["", "", "here", ""]), (Decimal(98), ["", "", "here"]), (None, ["", "", ""])):
        rungs = [*_rungs(order, book, None, {}, own, Side.SELL), *_rungs(order, book, None, {}, own, Side.BUY)]
        assert [rung[3] for rung in rungs] == marks


@pytest.mark.parametrize("width", [30, 60, 80])
def test_the_picture_of_a_queue_has_its_numbers_beside_it(width: int) -> None:
    points = [(0, Decimal("3.47565")), (1, None), (2, Decimal(1)), (3, Decimal("0.5"))]
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(_Picture(points))
    lines = captured.get().splitlines()
    assert len(lines) == 6 and max(map(len, lines)) <= min(width, 60 + 2 + len("3.47565"))
    assert lines[0].endswith("3.47565") and lines[-1].rstrip().endswith("0.5")
