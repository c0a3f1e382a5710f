"""What is due comes in the order in which it is due; at one moment what a fill opens, then commands, then timers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from triplegain.domain.clock import NEVER
from triplegain.domain.orders import AmendRequest, Market, OrderRequest, Side
from triplegain.exchange.agenda import Due, EventQueue
from triplegain.exchange.commands import (
    Amend,
    Cancel,
    CancelAfter,
    Command,
    Expire,
    GoOff,
    OpenLinked,
    Place,
    PlaceBatch,
    Start,
    is_under_way,
)
from triplegain.exchange.latency import Latency, Recorded
from triplegain.exchange.seeded import draw
from triplegain.exchange.settings import ExchangeSettings

LINKED = OpenLinked(OrderRequest("closes", "BTC/USDT", Side.SELL, Decimal(1), Market()))
SENT: list[Command] = [
    Place(1),
    PlaceBatch((1, 2)),
    Cancel("a"),
    Amend(AmendRequest("a", Decimal(1), None)),
    CancelAfter(60),
]
TIMERS: list[Command] = [Expire(1), Start(1), GoOff()]


def drained(queue: EventQueue) -> list[tuple[int, Command]]:
    found = []
    while queue.waiting:
        assert queue.next_due_ns == min(due.due_ns for due in queue.waiting.values())
        number, due = queue.pop()
        found.append((number, due.command))
    assert queue.next_due_ns == NEVER
    return found


@pytest.mark.parametrize("command", [*SENT, LINKED, *TIMERS])
def test_only_what_we_have_sent_is_under_way(command: Command) -> None:
    queue = EventQueue()
    queue.add(5, command)
    assert is_under_way(command) == (command in SENT) == (queue.under_way() == [command])
    assert drained(queue) == [(1, command)]
    assert queue.under_way() == []


def test_what_is_due_at_one_moment_comes_by_kind_and_then_as_it_was_sent() -> None:
    queue, expiry, switch, touched = EventQueue(), Expire(7), GoOff(), list[str]()
    queue.touch = touched.append
    assert (queue.added, queue.next_due_ns) == (0, NEVER)
    queue.add(9, Place(3))
    assert queue.next_due_ns == 9
    at_five: list[Command] = [expiry, Place(2), switch, Cancel("a"), LINKED]
    for command in at_five:
        queue.add(5, command)
    assert (queue.added, touched) == (6, ["1", "2", "3", "4", "5", "6"])
    assert drained(queue) == [
        (6, LINKED), (3, Place(2)), (5, Cancel("a")), (2, expiry), (4, switch), (1, Place(3)),
    ]  # fmt: skip


@pytest.mark.parametrize("gone", range(8))
def test_what_is_called_off_is_gone_and_the_rest_keeps_its_order(gone: int) -> None:
    queue, touched = EventQueue(), list[str]()
    queue.touch = touched.append
    times = [70, 30, 20, 50, 80, 40, 10, 60]
    for number, due_ns in enumerate(times):
        queue.add(due_ns, Place(number))
    touched.clear()
    queue.remove(Place(gone))
    assert touched == [str(gone + 1)] and Place(gone) not in queue.under_way()
    rest = sorted(due_ns for number, due_ns in enumerate(times) if number != gone)
    assert [times[command.number] for _, command in drained(queue) if isinstance(command, Place)] == rest


def test_the_last_one_called_off_leaves_nothing_due() -> None:
    queue = EventQueue()
    queue.add(5, Place(1))
    queue.remove(Place(1))
    assert (queue.next_due_ns, queue.waiting, queue.under_way()) == (NEVER, {}, [])


def test_what_was_under_way_is_put_back_under_its_number_and_told_to_nobody() -> None:
    queue, touched = EventQueue(), list[str]()
    queue.touch = touched.append
    queue.restore({"12": Due(5, Place(2)), "7": Due(5, Place(1)), "9": Due(5, Expire(1))})
    assert (touched, queue.under_way(), queue.added) == ([], [Place(2), Place(1)], 0)
    assert drained(queue) == [(7, Place(1)), (12, Place(2)), (9, Expire(1))]
    assert touched == ["7", "12", "9"]


def test_each_message_has_the_next_draw_of_jitter_and_without_jitter_none_is_drawn() -> None:
    settings = ExchangeSettings(seed=3, place_delay_ns=100, cancel_delay_ns=200, response_delay_ns=300, jitter_ns=9)
    latency = Latency(settings)
    waited = [latency.place(), latency.cancel(), latency.response()]
    assert waited == [100 + draw(3, 1) % 10, 200 + draw(3, 2) % 10, 300 + draw(3, 3) % 10]
    assert latency.draws == 3
    steady = Latency(ExchangeSettings(seed=3, place_delay_ns=100, cancel_delay_ns=200, response_delay_ns=300))
    assert [steady.place(), steady.cancel(), steady.response(), steady.draws] == [100, 200, 300, 0]


def test_each_message_takes_one_of_the_measured_delays_whatever_is_set() -> None:
    # Rising quantiles 10, 20, 60: a draw in the lower half of all is between the first two, as far as it is in there.
    rising = (10, 20, 60)
    latency = Latency(ExchangeSettings(seed=3, place_delay_ns=100, recorded_delays_ns=rising))
    waited = [each() for _ in range(300) for each in (latency.place, latency.cancel, latency.response)]
    half = 1 << 63
    worked = [
        10 + 10 * number // half if number < half else 20 + 40 * (number - half) // half
        for number in (draw(3, drawn) for drawn in range(1, 901))
    ]
    assert (waited, latency.draws) == (worked, 900)
    assert abs(sum(delay < 20 for delay in waited) - 450) < 45  # three standard deviations of 15
    single = Latency(ExchangeSettings(recorded_delays_ns=(7,)))
    assert [single.place(), single.response(), single.draws] == [7, 7, 2]


@pytest.mark.parametrize(
    ("rising", "drawn", "delay_ns"),
    [
        ((10, 20, 60), 0, 10),  # the least
        ((10, 20, 60), (1 << 64) - 1, 59),  # 60 - 40 / 2^63, rounded down
        ((10, 20, 60), 1 << 63, 20),  # the middle
        ((10, 20, 60), 1 << 62, 15),
        ((10, 20, 60), 3 << 62, 40),
        ((5, 5), 12345, 5),
    ],
)
def test_the_inverse_of_the_distribution(rising: tuple[int, ...], drawn: int, delay_ns: int) -> None:
    assert Recorded(rising).delay_ns(100, lambda: drawn) == delay_ns
