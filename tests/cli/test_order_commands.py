"""`order` beyond one at a time, against a running session."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from tests.api.stored_control import StoredControl
from tests.cli.conftest import Tg
from tests.storage.scripted_session import START_NS

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.orders import OrderOptions, StopLoss
from triplegain.domain.terms import TakeProfitLimit

PLACE = ("order", "place", "BTC/USDT", "buy", "0.1", "--limit", "1234.5", "--id", "mine")


def test_options_reach_the_order(tg: Tg, system: StoredControl) -> None:
    assert tg(*PLACE, "--close", "stop-loss 1200", "--starts", "1m", "--deadline", "5s").code == 0
    assert system.orders["mine"].request.options == OrderOptions(
        close=StopLoss(Decimal(1200)), starts_at_ns=START_NS + 60 * SECOND_NS, deadline_ns=START_NS + 5 * SECOND_NS
    )
    assert tg(*PLACE[:-1], "next", "--close", "take-profit-limit 1300 1299").code == 0
    assert system.orders["next"].request.options.close == TakeProfitLimit(Decimal(1300), Decimal(1299))
    for words in ("limit", "limit 1 2 3"):
        assert tg(*PLACE, "--close", words).code == 2
    assert tg(*PLACE, "--close", "iceberg 1300").code == 2


def test_a_question_places_nothing(tg: Tg, system: StoredControl) -> None:
    asked = tg(*PLACE, "--validate")
    assert (asked.code, asked.out) == (0, "PAPER  nothing stands against it; not sent\n")
    assert tg(*PLACE, "--validate", "--json").json["valid"] is True
    assert system.orders == {}


def test_an_edit_shows_the_new_order(tg: Tg, system: StoredControl) -> None:
    tg(*PLACE)
    edited = tg("order", "edit", "mine", "--price", "1235", "--id", "next")
    assert (edited.code, edited.out) == (0, "PAPER  next open: buy 0.1 BTC/USDT limit 1,235\n")
    assert tg("order", "edit", "mine").code == 2


def test_a_batch_comes_from_a_file(tg: Tg, system: StoredControl, tmp_path: Path) -> None:
    order = {"symbol": "BTC/USDT", "side": "buy", "quantity": "0.1", "price": "900"}
    file = tmp_path / "orders.json"
    file.write_text(json.dumps([{**order, "client_order_id": "a"}, {**order, "client_order_id": "b"}]))
    assert tg("order", "batch", str(file), "--check").out == "PAPER  nothing stands against 2 orders; none was sent\n"
    assert system.orders == {}
    placed = tg("order", "batch", str(file))
    assert [line.split()[1] for line in placed.out.splitlines()] == ["a", "b"]
    assert tg("order", "cancel", "a", "b").out == "PAPER  2 cancelled: a, b\n"


@pytest.mark.parametrize("content", ["{}", "[1]", "nothing"])
def test_a_file_that_holds_no_orders(tg: Tg, system: StoredControl, tmp_path: Path, content: str) -> None:
    file = tmp_path / "orders.json"
    file.write_text(content)
    assert tg("order", "batch", str(file)).code == 2
    assert tg("order", "batch", str(tmp_path / "not there")).code == 2


def test_the_switch_says_when_it_goes_off(tg: Tg, system: StoredControl) -> None:
    assert "every order is cancelled at 2023-11-14T22:14:20 UTC" in tg("order", "cancel-after", "60").out
    assert "the switch is off" in tg("order", "cancel-after", "0").out
