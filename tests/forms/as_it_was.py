"""A session that was taken up, held against the document that form 2 kept beside its rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from triplegain.session.trading_session import TradingSession

_LEGS = {"sent": "pending_new", "live": "working", "cancelling": "pending_cancel", "over": "done"}
_STAGES = {
    "entering": "Entering",
    "protecting": "PendingStop",
    "protected": "Protected",
    "leaving": "Exiting",
    "selling": "Selling",
}


def check_as_it_was(here: TradingSession, known: Any) -> None:
    """What no row says. Takes the questions that models have not been asked yet."""
    check_standing(here, known)
    check_told(here, known)
    check_queue(here, known["exchange"])
    check_protections(here, known["desk"])
    check_hodl(here, known["aftermath"]["hodl"])
    check_rounds(here, known["mind"]["rounds"])
    check_rebalance(here, known["mind"]["rebalance"])


def check_standing(here: TradingSession, known: Any) -> None:
    assert (here.now_ns, here.paused, here.halted) == (known["now_ns"], known["paused"], known["halted"])
    risk, memory = known["risk"], here.risk.memory
    assert not memory.is_damaged
    assert [(halt.kind, halt.until_ns, halt.reason) for halt in memory.halts] == [
        (kind, None if until is None else int(until), why) for kind, until, why in risk["halts"]
    ]
    assert [(each.kind, each.symbol, each.until_ns) for each in memory.cooldowns] == [
        (kind, symbol, int(until)) for kind, symbol, until in risk["cooldowns"]
    ]
    assert (memory.peak_equity, memory.equity) == (Decimal(risk["peak_equity"]), Decimal(risk["equity"]))
    assert {symbol: len(each.prices) for symbol, each in memory.markets.items()} == {
        symbol: len(each["prices"]) for symbol, each in risk["markets"].items()
    }
    opening = known["executor"]["portfolio"]["opening"]
    assert here.portfolio.opening.equity == Decimal(opening["equity"])


def check_told(here: TradingSession, known: Any) -> None:
    """Orders and positions as we have been told of them, behind what the exchange knows."""
    assert [
        (order.order_number, order.status, order.filled_quantity, order.price)
        for order in here.desk.orders.open_orders()
    ] == [
        (each["order_number"], each["status"], Decimal(each["filled_quantity"]), optional(each["price"]))
        for each in sorted(known["known_orders"]["open"], key=lambda each: each["order_number"])
    ]
    assert [
        (each.position_id, each.quantity, each.stop, each.target, each.fees) for each in here.desk.positions.records()
    ] == [
        (
            each["position_id"],
            Decimal(each["bought"]) - Decimal(each["sold"]),
            optional(each["stop"]),
            optional(each["target"]),
            Decimal(each["fees"]),
        )
        for each in known["known_positions"]["open"]
    ]


def optional(amount: str | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)


def check_queue(here: TradingSession, known: Any) -> None:
    """Each order at the exchange: how far it has come, and how much stands before it in its level."""
    asked = {each["request"]["client_order_id"]: each["working"] for each in known["orders"]}
    assert set(here.exchange.orders) == set(asked)
    for name, order in here.exchange.orders.items():
        was = asked[name]
        assert (order.number, order.order_id, order.status) == (was["number"], was["order_id"], was["status"])
        assert (order.price, order.lots, order.left, order.ahead) == (
            was["price"],
            was["lots"],
            was["left"],
            int(was["ahead"]),
        )
        assert order.sent_ns == was["sent_ns"]
    assert here.exchange.order_count == known["order_count"]
    for symbol, market in here.exchange.markets.items():
        # Who came first fills first.
        assert [order.number for order in market.resting.all()] == known["markets"][symbol]["resting"]
    arrivals = {what[0]: due_ns for due_ns, kind, *what in known["agenda"] if kind == "place"}
    on_their_way = {each.number: each.arrived_ns for each in here.exchange.orders.values() if each.status == "pending"}
    assert on_their_way == arrivals


def check_protections(here: TradingSession, desk: Any) -> None:
    for was in desk["protections"]["protections"]:
        now = here.desk.protection(was["position_id"])
        assert now is not None
        kind, *rest = was["stage"]
        assert type(now.stage).__name__ == _STAGES[kind]
        level = optional(was["wanted"] and was["wanted"][0])
        assert (now.stop, now.target, now.entry) == (level, optional(was["target"]), _LEGS[was["entry"]])
        stop_id = rest[1] if kind == "leaving" else rest[0] if rest else None
        assert getattr(now.stage, "stop_id", None) == stop_id
        assert now.is_trailing == was["is_trailing"]
    numbers = [each.position_id for each in here.desk.open_positions()]
    assert numbers == [each["position_id"] for each in desk["protections"]["protections"]]
    by_hand = [not each["entry_id"].startswith("entry-") for each in desk["protections"]["protections"]]
    assert [each.by_hand for each in here.desk.open_positions()] == by_hand


def check_hodl(here: TradingSession, known: Any) -> None:
    assert here.hodl is not None
    state = here.hodl.state
    assert {asset: [each.quantity, each.cost, each.pending] for asset, each in state.allocation.balances.items()} == {
        asset: [Decimal(amount) for amount in amounts] for asset, amounts in known["pots"].items()
    }
    under_way = known["buyer"]["under_way"]
    assert set(state.purchases.under_way) == set(under_way)
    for asset, purchase in state.purchases.under_way.items():
        was = under_way[asset]["request"]
        assert (purchase.client_order_id, purchase.quantity) == (was["client_order_id"], Decimal(was["quantity"]))
        assert here.exchange.orders[was["client_order_id"]].request.origin == "hodl"


def check_rounds(here: TradingSession, known: Any) -> None:
    """Whoever was asked and has not answered is asked again, in the same words."""
    asked = {each.round_id: each for each in here.rounds.take_undispatched()}
    assert list(asked) == [each["round_id"] for each in known["open"]]
    for was in known["open"]:
        prompts = {model: (prompt.system, prompt.user) for model, prompt in asked[was["round_id"]].prompts.items()}
        assert prompts == {model: tuple(was["texts"][text]) for model, text in was["prompts"].items()}
        assert asked[was["round_id"]].deadline_ns == int(was["deadline_ns"])


def check_rebalance(here: TradingSession, known: Any) -> None:
    stored = msgspec.json.decode(here.parts.rows.get(("decision.rebalance", ""), b"null"))
    assert (stored is None) == (known is None)
    if known is not None:
        assert [each["number"] for each in stored["batches"]] == [each["number"] for each in known["batches"]]
        assert [each["client_order_id"] for each in stored["open"]] == [
            each["client_order_id"] for each in known["open"]
        ]
