"""Every stage of a protection against every answer about its stop and its exits. One table, nothing left open."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.exchange_events import (
    CommandRefused,
    ExchangeEvent,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderPriced,
    OrderRefilled,
    OrderRejected,
    OrderTriggered,
)
from triplegain.domain.orders import AmendRequest, OrderStatus, Side
from triplegain.domain.records import CloseReason
from triplegain.execution.protection.protection import (
    Closed,
    Entering,
    Exiting,
    LegState,
    Move,
    PartialExit,
    PendingStop,
    Protected,
    Protection,
    Resize,
    Selling,
    Stage,
    StopLevel,
    Unprotected,
)

NOW = 50 * SECOND_NS
TEN, FIVE = Decimal(10), Decimal(5)
AT_90 = StopLevel(Decimal(90))
AT_95 = StopLevel(Decimal(95), CloseReason.TRAILING_STOP)
HEAD = (1, NOW, NOW, 7, "tg-stop-1", "BTC/USDT")


def fill(status: OrderStatus) -> OrderFilled:
    sold = (1, "T1", Side.SELL, Decimal(89), FIVE, Decimal(445), Decimal(1), "USDT", False, FIVE, status)
    return OrderFilled(*(*HEAD, *sold), {})


def refused(command: str, amend: AmendRequest | None = None) -> CommandRefused:
    return CommandRefused(1, NOW, NOW, "tg-stop-1", command, "EOrder:Unknown order", "said so", amend)


ANSWERS: dict[str, ExchangeEvent] = {
    "accepted": OrderAccepted(*HEAD, "BTC", TEN),
    "rejected": OrderRejected(*HEAD, "EService:Unavailable", "away"),
    "cut": OrderAmended(*HEAD, FIVE, Decimal(90), True),
    "moved": OrderAmended(*HEAD, TEN, Decimal(95), True),
    "triggered": OrderTriggered(*HEAD, Decimal(90), Decimal(89)),
    "priced": OrderPriced(*HEAD, Decimal(90)),
    "refilled": OrderRefilled(*HEAD, FIVE),
    "part filled": fill(OrderStatus.PARTIALLY_FILLED),
    "filled": fill(OrderStatus.FILLED),
    "cancelled": OrderCancelled(*HEAD, OrderStatus.CANCELLED, "maintenance", Decimal(0)),
    "cancel refused": refused("cancel"),
    "growth refused": refused("amend", AmendRequest("tg-stop-1", quantity=TEN)),
    "cut refused": refused("amend", AmendRequest("tg-stop-1", quantity=FIVE)),
    "move refused": refused("amend", AmendRequest("tg-stop-1", price=Decimal(95))),
}
RESTING = Protected("tg-stop-1", TEN, AT_90)
GROWING = Protected("tg-stop-1", FIVE, AT_90, Resize(TEN))
CUTTING = replace(RESTING, asked=Resize(FIVE))
MOVING = replace(RESTING, asked=Move(AT_95))
FIRED = Exiting(CloseReason.STOP_LOSS, "tg-stop-1", LegState.TRIGGERED)
SOLD = Exiting(CloseReason.STOP_LOSS, None, LegState.DONE, True)
BREAKING = Exiting(CloseReason.BREAKER, None, LegState.DONE, True)
BREAKING_STOP = Exiting(CloseReason.BREAKER, "tg-stop-1", LegState.WORKING)
SIGNALLED = Exiting(CloseReason.SIGNAL, "tg-stop-1", LegState.PENDING_CANCEL)
GONE = Exiting(CloseReason.SIGNAL, None, LegState.DONE, True)

#: What an answer leads to; answers that are not named change nothing.
TABLE: list[tuple[Stage, dict[str, Stage]]] = [
    (Entering(), {}),
    (Unprotected(), {}),
    (
        PendingStop("tg-stop-1", TEN, AT_90),
        {
            "accepted": RESTING,
            "rejected": BREAKING,
            "triggered": FIRED,
            "part filled": FIRED,
            "filled": SOLD,
            "cancelled": Entering(),
        },
    ),
    (
        RESTING,
        {
            "cut": Protected("tg-stop-1", FIVE, AT_90),
            "moved": Protected("tg-stop-1", TEN, StopLevel(Decimal(95))),
            "triggered": FIRED,
            "part filled": FIRED,
            "filled": SOLD,
            "cancelled": Entering(),
        },
    ),
    (
        GROWING,
        {
            "cut": GROWING,  # not what was asked for
            "moved": Protected("tg-stop-1", TEN, StopLevel(Decimal(95))),
            "triggered": FIRED,
            "part filled": FIRED,
            "filled": SOLD,
            "cancelled": Entering(),
            "growth refused": BREAKING_STOP,
        },
    ),
    (
        CUTTING,
        {
            "cut": Protected("tg-stop-1", FIVE, AT_90),
            "moved": Protected("tg-stop-1", TEN, StopLevel(Decimal(95)), Resize(FIVE)),
            "triggered": FIRED,
            "part filled": FIRED,
            "filled": SOLD,
            "cancelled": Entering(),
            "cut refused": RESTING,
        },
    ),
    (
        MOVING,
        {
            "cut": Protected("tg-stop-1", FIVE, AT_90, Move(AT_95)),
            "moved": Protected("tg-stop-1", TEN, AT_95),
            "triggered": FIRED,
            "part filled": FIRED,
            "filled": SOLD,
            "cancelled": Entering(),
            "move refused": RESTING,
        },
    ),
    (
        Protected("tg-stop-1", TEN, AT_95),
        {
            "cut": Protected("tg-stop-1", FIVE, StopLevel(Decimal(90), CloseReason.TRAILING_STOP)),
            "moved": Protected("tg-stop-1", TEN, AT_95),
            "triggered": Exiting(CloseReason.TRAILING_STOP, "tg-stop-1", LegState.TRIGGERED),
            "part filled": Exiting(CloseReason.TRAILING_STOP, "tg-stop-1", LegState.TRIGGERED),
            "filled": Exiting(CloseReason.TRAILING_STOP, None, LegState.DONE, True),
            "cancelled": Entering(),
        },
    ),
    (
        SIGNALLED,
        {
            "triggered": replace(SIGNALLED, stop=LegState.TRIGGERED),
            "part filled": replace(SIGNALLED, stop=LegState.TRIGGERED),
            "filled": GONE,
            "cancelled": GONE,
            "rejected": GONE,
            "cancel refused": replace(SIGNALLED, stop=LegState.WORKING),
        },
    ),
    (
        replace(SIGNALLED, stop=LegState.PENDING_NEW),
        {
            "accepted": replace(SIGNALLED, stop=LegState.WORKING),
            "triggered": replace(SIGNALLED, stop=LegState.TRIGGERED),
            "part filled": replace(SIGNALLED, stop=LegState.TRIGGERED),
            "filled": GONE,
            "cancelled": GONE,
            "rejected": GONE,
        },
    ),
    (Selling(CloseReason.SIGNAL, "tg-exit-1", 0), {}),
    (Closed(), {}),
]


def position(stage: Stage, reduction: PartialExit | None = None) -> Protection:
    held = Protection("pos-1", "BTC/USDT", "tg-entry-1", TEN, AT_95, None, LegState.DONE, stage, reduction=reduction)
    held.opened_at_ns = 0
    return held


@pytest.mark.parametrize("answer", list(ANSWERS))
@pytest.mark.parametrize(("stage", "leads_to"), TABLE, ids=[repr(stage) for stage, _ in TABLE])
def test_each_answer_about_a_stop_leads_from_each_stage_where_the_table_says(
    stage: Stage, leads_to: dict[str, Stage], answer: str
) -> None:
    protection = position(stage)
    protection.stop_answered(ANSWERS[answer], NOW, SECOND_NS)
    assert protection.stage == leads_to.get(answer, stage)
    assert protection.stop == Decimal(95)  # what is wanted never goes down
    assert msgspec.json.decode(msgspec.json.encode(protection), type=Protection) == protection


@pytest.mark.parametrize(
    ("event", "exit_id", "retry_at_ns", "failures", "kind"),
    [
        (fill(OrderStatus.PARTIALLY_FILLED), "tg-exit-1", 0, 2, None),
        (fill(OrderStatus.FILLED), None, 0, 2, None),
        (ANSWERS["cancelled"], None, NOW + 4 * SECOND_NS, 3, AlertKind.EXIT_INCOMPLETE),
        (ANSWERS["rejected"], None, NOW + 4 * SECOND_NS, 3, AlertKind.EXIT_REJECTED),
        (ANSWERS["accepted"], "tg-exit-1", 0, 2, None),
        (ANSWERS["triggered"], "tg-exit-1", 0, 2, None),
        (ANSWERS["cancel refused"], "tg-exit-1", 0, 2, None),
    ],
)
def test_each_answer_about_the_sale_of_a_part(
    event: ExchangeEvent, exit_id: str | None, retry_at_ns: int, failures: int, kind: AlertKind | None
) -> None:
    reduction = PartialExit(CloseReason.BREAKER, Decimal("0.5"), None, FIVE, "tg-exit-1", 0, 2)
    protection = position(Protected("tg-stop-1", FIVE, AT_95), reduction)
    notice = protection.part_answered(event, NOW, SECOND_NS)
    assert protection.reduction == replace(reduction, exit_id=exit_id, retry_at_ns=retry_at_ns, failures=failures)
    assert (notice and notice[0]) == kind
    assert msgspec.json.decode(msgspec.json.encode(protection), type=Protection) == protection


@pytest.mark.parametrize("stage", [stage for stage, _ in TABLE if not isinstance(stage, Selling)])
@pytest.mark.parametrize("answer", list(ANSWERS))
def test_an_answer_about_an_exit_changes_only_a_position_that_is_being_sold(stage: Stage, answer: str) -> None:
    protection = position(stage)
    assert protection.exit_answered(ANSWERS[answer], NOW, SECOND_NS) is None
    assert protection.stage == stage


@pytest.mark.parametrize("stage", [stage for stage, _ in TABLE])
def test_leaving_starts_once_and_keeps_its_first_reason(stage: Stage) -> None:
    protection = position(stage)
    begun = protection.leave(CloseReason.MANUAL)
    assert begun != isinstance(stage, Exiting | Selling | Closed)
    assert not protection.leave(CloseReason.TIME_EXIT)
    assert not protection.tighten_stop(StopLevel(Decimal(99)))
    assert not protection.reduce(Decimal("0.5"), CloseReason.SIGNAL)
    if begun:
        assert isinstance(protection.stage, Exiting) and protection.stage.reason is CloseReason.MANUAL
