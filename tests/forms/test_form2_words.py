"""Everything that form 2 could say, and that no stored session of it happens to say, is understood by today's parts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.forms.stored_forms import decoded, document
from tests.session.sessions import demo, settings_for

from triplegain.decision.rebalance.plan import RebalanceSettings
from triplegain.domain.agent_records import AlertKind
from triplegain.domain.records import CloseReason
from triplegain.domain.storable import encode
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.execution.protection.protection import Exiting, LegState, Move, Protected, Resize, Selling, Unprotected
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure
from triplegain.risk.limits import CoolDownKind
from triplegain.session.trading_session import TradingSession
from triplegain.storage.forms.conversion import Kept
from triplegain.storage.forms.form2 import convert

_NS = 1_767_225_605_000_000_000
_USAGE = ["1500000000", 900, 80, "0.0031", 1]
#: Every position of those documents began with the fill of the first order.
_FILLS = [{"order_number": 1, "sequence": 3}]
_LEVEL = ["58197.4", "stop_loss"]


def converted(state: Any, **rows: list[dict[str, Any]]) -> Kept:
    tables = {"paper_decisions": [], "paper_portfolio_snapshots": [], "paper_trades": _FILLS, **rows}
    return convert(Kept({"settings": {"candle_ns": 10**9}}, state, {}, tables))


def taken_up(kept: Kept) -> TradingSession:
    """A session that was given the parts. What it would store of them now is what it was given."""
    rebalance = RebalanceSettings() if ("decision.rebalance", "") in kept.parts else None
    session = TradingSession(settings_for(demo(), baseline=None, hodl=HodlSettings(), rebalance=rebalance))
    session.risk.restore(None)
    given = {name: encode(state) for name, state in kept.parts.items()}
    session.parts.restore(given)
    assert decoded(session.parts.whole()) == decoded(given)
    return session


def protection(position_id: str, stage: list[Any], **more: Any) -> dict[str, Any]:
    [usual] = document("protected")["desk"]["protections"]["protections"]
    return {**usual, "position_id": position_id, "entry_id": f"of-{position_id}", "stage": stage, **more}


def test_every_stage_of_a_protection_is_understood() -> None:
    state = document("protected")
    stages: dict[str, list[Any]] = {
        "pos-1": ["entering"],
        "pos-2": ["unguarded"],
        "pos-3": ["protected", "stop-3", "0.02", _LEVEL, ["resize", "0.01"]],
        "pos-4": ["protected", "stop-4", "0.02", _LEVEL, ["move", ["58300", "trailing_stop"]]],
        "pos-5": ["leaving", "signal", "stop-5", "triggered"],
        "pos-6": ["leaving", "manual", None, "over"],
        "pos-7": ["selling", "breaker", None, str(_NS), 2],
        "pos-8": ["closed"],
    }
    reduction = ["breaker", "0.5", "0.02", None, "exit-3", str(_NS), 1]
    protections = [protection(name, stage) for name, stage in stages.items()]
    protections[2] |= {"reduction": reduction, "tighten": "0.01", "wanted": None, "entry_id": "entry-9"}
    state["desk"]["protections"]["protections"] = protections
    state["desk"]["protections"]["watch"]["atr"] = {"BTC/USDT": "0.0000001"}
    state["desk"]["protections"]["delays"] = [3, "600000000", "300000000"]
    state["desk"]["counters"]["pos"] = 8
    here = taken_up(converted(state))
    found = {name: here.desk.protection(name) for name in stages}
    assert isinstance(found["pos-2"].stage, Unprotected)  # type: ignore[union-attr]
    third, fourth, seventh = (found[name] for name in ("pos-3", "pos-4", "pos-7"))
    assert third is not None and isinstance(third.stage, Protected) and third.stage.asked == Resize(Decimal("0.01"))
    assert third.reduction is not None and third.reduction.exit_id == "exit-3"
    assert fourth is not None and isinstance(fourth.stage, Protected) and isinstance(fourth.stage.asked, Move)
    assert found["pos-5"].stage == Exiting(CloseReason.SIGNAL, "stop-5", LegState.TRIGGERED)  # type: ignore[union-attr]
    assert seventh is not None and seventh.stage == Selling(CloseReason.BREAKER, None, _NS, 2)
    assert here.desk.delays.total_ns == 600_000_000
    # Only what an agent's entry began is not a person's.
    assert [each.position_id for each in here.desk.open_positions() if not each.by_hand] == ["pos-3"]
    # Oldest first, as they were, and the next one comes after them.
    assert [each.position_id for each in here.desk.open_positions()] == list(stages)


def test_every_answer_on_its_way_is_understood() -> None:
    state, more = document("protected"), 10**9
    head = [_NS, _NS + more]
    request = state["exchange"]["orders"][0]["request"]
    state["visible"] = [
        ["OrderSubmitted", 11, *head, 3, "OAAAAA-BBBBB-CCCCCC", {"request": request}, _NS + 5],
        ["OrderRejected", 12, *head, 3, "a-1", "BTC/USDT", "EOrder:Insufficient funds", "too little"],
        [
            *("OrderFilled", 13, *head, 4, "a-2", 2, "TAAAAA-BBBBB-CCCCCC", "BTC/USDT", {"side": "buy"}),
            *({"decimal": "59997.3"}, {"decimal": "0.01"}, {"decimal": "599.973"}, {"decimal": "2.39989"}, "USDT"),
            *(False, {"decimal": "0.01"}, {"status": "filled"}, {"mapping": {"model": "book"}}),
        ],
        ["OrderCancelled", 14, *head, 5, "a-3", "BTC/USDT", {"status": "expired"}, "its time", {"decimal": "0"}],
        ["OrderTriggered", 15, *head, 6, "a-4", "BTC/USDT", {"decimal": "58197.4"}, {"decimal": "58197"}],
        ["OrderAmended", 16, *head, 7, "a-5", "BTC/USDT", {"decimal": "0.02"}, {"decimal": "58200"}, True],
        ["CommandRefused", 17, *head, "a-6", "cancel", "EOrder:Unknown order", "no open order has this id", None],
        ["CommandRefused", 18, *head, "a-7", "amend", "EOrder:Tick", "off", {"amend": ["a-7", None, "58200.1"]}],
    ]
    kept = converted(state)
    taken_up(kept)
    assert [each["client_order_id"] for each in kept.parts["execution.desk", ""]["asked"]] == ["a-5", "a-7"]
    assert [name for name in kept.parts if name[0] == "session.event"] == [
        ("session.event", str(number)) for number in range(11, 19)
    ]
    assert kept.parts["session.event", "11"]["request"]["origin"] == "protection"


def test_what_models_said_and_what_waits_for_it_is_understood() -> None:
    state = document("model-round")
    mind = state["mind"]
    # This session runs what needs no model.
    mind["schedule"]["tasks"] = {name: mind["schedule"]["tasks"][name] for name in ("technical", "regime")}
    answer = {"model_id": "gpt-6.1", "prompt_hash": "ab", "usage": _USAGE, "value": {"bias": "long"}}
    failure = {"model_id": "", "prompt_hash": "", "usage": _USAGE, "kind": "timeout", "reason": "60 s"}
    mind["rounds"]["replies"]["news-1"] = {"gpt": answer}
    mind["rounds"]["arriving"] = [[str(_NS), "social-1", "grok", failure]]
    buy = {
        "action": "buy", "confidence": "0.8", "reasoning": "up",
        "stop_fraction": "0.02", "target_fraction": None, "size_fraction": None,
    }  # fmt: skip
    mind["voting"] = {
        "decided": {"BTC/USDT": 4},
        "waiting": [
            {
                "symbol": "BTC/USDT",
                "decision_number": 4,
                "answer": buy,
                "reason": "a dip",
                "since_ns": str(_NS),
                "until_ns": str(_NS + 1),
            }
        ],
        "outcomes": {
            "votes": {"gpt": 2},
            "abstentions": {"grok": 1},
            "waiting": {"3600000000000": [[str(_NS), 7, "BTC/USDT", "60000.1", 1, "0.0026"]], "14400000000000": []},
        },
    }
    mind["degradation"] = {"openai": {"failures": 3, "successes": 1, "probed_ns": str(_NS), "reason": "timeout"}}
    mind["strong_ns"] = {"BTC/USDT": str(_NS)}
    mind["opinions"]["news"] = {"BTC": [str(_NS), {"score": 1}]}
    mind["schedule"]["tasks"]["technical"] |= {"asked_ns": str(_NS), "skipped": {"paused": 2}}
    here = converted(state)
    # An opinion that is no answer of today is forgotten when it is taken up: the next one is not far.
    del mind["opinions"]["news"]["BTC"]
    session = taken_up(converted(state))
    assert here.parts["decision.opinions", ""]["latest"]["news"] == {"BTC": [_NS, {"score": 1}]}
    replies = session.decision_engine.rounds._replies["news-1"]
    assert isinstance(replies["gpt"], ModelAnswer) and replies["gpt"].usage.cost_usd == Decimal("0.0031")
    [(due_ns, name, model, reply)] = session.decision_engine.rounds._state.arriving
    assert (due_ns, name, model) == (_NS, "social-1", "grok")
    assert isinstance(reply, ModelFailure) and reply.kind is FailureKind.TIMEOUT
    # Who has answered, or whose answer is here, is not asked again.
    assert session.rounds.take_undispatched() == ()
    assert session.decision_engine.voting.outcomes.state.votes == {"gpt": 2}
    assert session.decision_engine.voting.outcomes.next_due_ns == _NS


def test_every_word_of_risk_and_of_the_hodl_bag_is_understood() -> None:
    state = document("hodl-pending")
    state["risk"] |= {
        "halts": [["weekly", None, "the week"], ["daily", str(_NS), "the day"]],
        "cooldowns": [["loss", "BTC/USDT", str(_NS)], ["losing_streak", "", str(_NS)]],
        "equity": "0.00000001",
        "losses_in_a_row": 4,
        "markets": {"XRP/BTC": {"atrs": [0.5], "spike": True, "prices": [[str(_NS), str(_NS), "1e-8", "0.00000002"]]}},
    }
    hodl = state["aftermath"]["hodl"]
    hodl["till"]["closed"] = [["pos-4", "BTC", "0.001", None]]
    hodl["till"]["owed"] = [["pos-3", "12.5"]]
    hodl["buyer"]["pauses"] = {"XRP": [2, str(_NS)]}
    hodl["told"] = {"buying BTC": "no price"}
    here = taken_up(converted(state))
    assert not here.risk.memory.is_damaged
    assert [each.kind for each in here.risk.memory.cooldowns] == [CoolDownKind.LOSS, CoolDownKind.LOSING_STREAK]
    assert here.hodl is not None
    assert [each.amount for each in here.hodl.state.allocation.due] == [Decimal("12.5")]
    assert here.hodl.state.purchases.pauses["XRP"].until_ns == _NS
    # Where nothing was kept of risk, trading halts until somebody has looked.
    del state["risk"]
    assert not [name for name, _ in converted(state).parts if name.startswith("risk.")]


def test_rebalances_and_commands_are_understood() -> None:
    state = document("rebalance")
    book = state["mind"]["rebalance"]
    del state["mind"]["schedule"]["tasks"]["rebalance"]
    book["open"][0] |= {"limit": None}
    book["next_buys"] = book["batches"][0]["buys"]
    state["exchange"]["agenda"] = [
        [_NS, "place", 2],
        [_NS, "cancel", "rb-1-0-btc"],
        [_NS, "amend", "rb-1-0-xrp", "925.9", None],
        [_NS + 9, "expire", 1],
    ]
    kept = converted(state)
    here = taken_up(kept)
    assert kept.parts["decision.rebalance", ""]["open"][0]["terms"] == {"kind": "market"}
    # The desk knows what it has asked for and not heard of.
    [asked] = kept.parts["execution.desk", ""]["asked"]
    assert asked == {"client_order_id": "rb-1-0-xrp", "quantity": "925.9", "price": None}
    assert [kept.parts["exchange.command", str(number)]["command"]["type"] for number in range(1, 5)] == [
        *("place", "cancel", "amend", "expire")
    ]
    assert here.exchange.next_due_ns == _NS


def test_who_came_first_is_still_the_first_to_fill() -> None:
    state = document("in-flight")
    market = state["exchange"]["markets"]["BTC/USDT"]
    assert market["resting"] == [1, 2, 3]
    # All at one price; the third kept its place while the others were moved and came back.
    market["resting"] = [3, 1, 2]
    here = taken_up(converted(state))
    assert [order.number for order in here.exchange.markets["BTC/USDT"].resting.all()] == [3, 1, 2]


def test_what_rows_say_is_taken_from_them() -> None:
    decisions = [
        {"outcome": "refused", "details": {"rules": ["spread"]}},
        {"outcome": "refused", "details": {}},
        {"outcome": "sent", "details": {"rules": []}},
    ]
    # 10000, 12000, 9000 (a fall of 3000 from 12000: 25 %), unknown, 12000 again, 9600 (20 %).
    equities = ["10000", "12000", "9000", None, "12000", "9600"]
    snapshots = [
        {"number": number, "time_ns": _NS + number, "equity": None if equity is None else Decimal(equity)}
        for number, equity in enumerate(equities, 1)
    ]
    kept = converted(document("protected"), paper_decisions=decisions, paper_portfolio_snapshots=snapshots[::-1])
    here = taken_up(kept)
    assert here.decisions.state.refused_by_risk == 1
    so_far = here.portfolio.state.equity_so_far
    # The last peak, the deepest fall.
    assert (so_far.peak, so_far.peak_at_ns) == (Decimal(12000), _NS + 5)
    assert so_far.drawdown is not None and (so_far.drawdown.percent, so_far.drawdown.trough_at_ns) == (
        Decimal(25),
        _NS + 3,
    )


def test_a_conversion_is_told_in_the_record_and_numbered_on() -> None:
    state = document("protected")
    state["record"]["mind"]["alerts"] = 6
    kept = converted(state)
    [alert] = kept.alerts
    assert (alert["number"], alert["kind"], alert["time_ns"]) == (7, AlertKind.SESSION_CONVERTED, state["now_ns"])
    assert kept.parts["session.record", ""]["numbers"]["alerts"] == 7
