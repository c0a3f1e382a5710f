"""Six models of five providers in a paper session: votes become orders, and no fault of a model becomes anything.

Everything is what `paper` runs: configuration, clients, cost ledger, session, database. Only the providers are not:
a fake server speaks for them. A session decides every 20 s, the first time at its beginning.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.app.thinking_models import SIX, Asked, ThinkingPaper, ThinkingServer, thinking_paper, write_config
from tests.llm.fake_provider import Do

from triplegain.llm.reply import FailureKind

BTC = "BTC/USDT"
#: Providers say so of reasoning models; outside of tests it is silenced where their clients are imported.
pytestmark = pytest.mark.filterwarnings("ignore:Sampling parameters:UserWarning")


def buys_once(asked: Asked) -> str | None:
    """Everybody buys bitcoin at the first question, and holds ever after."""
    return asked.vote("buy") if (asked.symbol, asked.number) == (BTC, 1) else None


async def protection(paper: ThinkingPaper) -> tuple[Any, ...]:
    """The position and its stop as they are stored: there is one of each."""
    (position,) = await paper.rows("paper_positions", "position_id")
    entry, stop, *more = await paper.rows("paper_orders", "order_number")
    assert (entry["purpose"], stop["purpose"], more) == ("entry", "stop_loss", [])
    assert stop["quantity"] == entry["filled_quantity"] > 0
    return position["closed_at_ns"], stop["status"], stop["price"]


async def test_six_models_of_five_providers_vote_and_their_votes_become_an_order_and_a_stop(
    database_url: str, tmp_path: Path
) -> None:
    readers = {"llm": {"roles": {"technical": ["qwen"], "regime": ["qwen"], "social": ["grok"], "news": ["gpt"]}}}
    async with ThinkingServer(says=buys_once) as server:
        config = write_config(tmp_path / "config", server.url, **readers)
        async with thinking_paper(database_url, config, tmp_path, duration="5s") as paper:
            await paper.system.run()
            votes, decisions = await paper.rows("paper_votes"), await paper.rows("paper_decisions")
            calls = await paper.rows("model_calls", "call_id")
            assert await protection(paper) == (None, "open", _trigger(decisions))
    assert Counter((vote["symbol"], vote["action"]) for vote in votes) == {
        (BTC, "buy"): 6, ("XRP/USDT", "hold"): 6, ("XRP/BTC", "hold"): 6,
    }  # fmt: skip
    sent = next(decision for decision in decisions if decision["outcome"] == "sent")
    assert (sent["symbol"], sent["agent"], sent["client_order_id"]) == (BTC, "models", "tg-entry-1")
    assert sent["reasons"] == ["6 of 6 models say buy, 6 of 6 models answered"]
    # Six say 0.85, which six of six raise by 0.15, and nothing is above 0.95.
    assert sent["confidence"] == Decimal("0.95")
    assert {call["path"].rpartition("/")[2] for call in server.calls} == {
        "chat",
        "completions",
        "responses",
        "messages",
    }
    assert {call["provider"] for call in calls} == {"ollama", "openai", "xai", "deepseek", "anthropic"}
    assert Counter(call["agent"] for call in calls)["decision"] == 18
    assert all(call["status"] == "answered" for call in calls)


def _trigger(decisions: list[dict[str, Any]]) -> Decimal:
    """The stop of the one buy that was sent: 1.5 % below its price, on the tick of 0.1 below."""
    (bought,) = (decision for decision in decisions if (decision["action"], decision["outcome"]) == ("buy", "sent"))
    stop, entry = Decimal(bought["details"]["stop"]), Decimal(bought["details"]["entry"])
    assert stop == entry * Decimal("0.985") // Decimal("0.1") / 10
    return stop


#: What the models do -> the failure it is. `None` as an answer: the vote is made of it below.
FAULTS: dict[str, tuple[Do | str, FailureKind, str]] = {
    "429": (Do.RATE_LIMIT, FailureKind.RATE_LIMITED, "gpt"),
    "500": (Do.FAIL, FailureKind.SERVER_ERROR, "opus"),
    "hang": (Do.HANG, FailureKind.TIMEOUT, "qwen"),
    "empty": (Do.EMPTY, FailureKind.EMPTY, "grok"),
    "truncated": (Do.TRUNCATE, FailureKind.TRUNCATED, "deepseek"),
    "wrong enum": ('{"action":"short"}', FailureKind.INVALID, "sonnet"),
    "wrong echo": ('{"snapshot":"0123456789ab","action":"sell"}', FailureKind.WRONG_ECHO, "qwen"),
    "NaN": ('{"action":"sell","confidence_pct":NaN}', FailureKind.INVALID, "gpt"),
    "prose": ("I would sell everything.", FailureKind.INVALID, "grok"),
    "refusal": (Do.REFUSE, FailureKind.REFUSAL, "opus"),
    "oversized": (Do.OVERSIZE, FailureKind.OVERSIZED, "deepseek"),
    "slow drip": (Do.DRIP, FailureKind.TIMEOUT, "sonnet"),
}


def does_wrong(fault: Do | str, asked: Asked) -> Do | str:
    """A text in braces is what is different from a good vote."""
    if isinstance(fault, Do) or not fault.startswith("{"):
        return fault
    return json.dumps({**asked.good, **json.loads(fault)})


#: The others take as long, and what is told apart in them is told apart in tests/llm/ without a session.
AT_ONCE = ("hang", "NaN")


@pytest.mark.parametrize(
    "name", [name if name in AT_ONCE else pytest.param(name, marks=pytest.mark.slow) for name in FAULTS]
)
async def test_a_fault_is_an_abstention_with_its_reason_and_neither_the_stop_nor_the_session_minds(
    database_url: str, tmp_path: Path, name: str
) -> None:
    """First they buy; then one of them fails, then all of them do; then they sell, and it is sold."""
    fault, kind, culprit = FAULTS[name]

    def says(asked: Asked) -> Do | str | None:
        if asked.symbol != BTC:
            return None
        match asked.number:
            case 1:
                return asked.vote("buy")
            case 2:
                return does_wrong(fault, asked) if asked.model == culprit else None
            case 3:
                return does_wrong(fault, asked)
            case _:
                return asked.vote("sell")

    # No answer of Ollama is a refusal: there is no such word on its wire.
    honest = {"qwen"} if fault is Do.REFUSE else set()
    async with ThinkingServer(says=says) as server:
        # Only who comes too late is waited for; an answer may take its time on a busy machine.
        patience_s = 2 if kind is FailureKind.TIMEOUT else 9
        config = write_config(tmp_path / "config", server.url, orchestration={"votes": {"timeout_s": patience_s}})
        async with thinking_paper(database_url, config, tmp_path, duration="65s") as paper:
            await paper.system.run()
            votes = [vote for vote in await paper.rows("paper_votes") if vote["symbol"] == BTC]
            calls = {call["request_id"]: call for call in await paper.rows("model_calls", "started_at")}
            decisions = {d["number"]: d for d in await paper.rows("paper_decisions") if d["symbol"] == BTC}
            orders = await paper.rows("paper_orders", "order_number")
            events = await paper.rows("paper_order_events", "sequence")
            session = paper.system.opened.session
    rounds = [[vote for vote in votes if vote["decision_number"] == number] for number in decisions]
    bought, one, all_of_them, sold = (each for each in rounds if each)

    failed = [vote for vote in one if vote["model"] == culprit] + [v for v in all_of_them if v["model"] not in honest]
    assert len(failed) == 7 - len(honest)
    for vote in failed:
        assert (vote["action"], vote["failure"], vote["confidence"]) == ("abstain", kind.value, None), vote
        assert vote["reasoning"].startswith(f"{kind.value}: ") and len(vote["reasoning"]) > len(kind.value) + 8
        call = calls[vote["request_id"]]
        assert (call["status"], call["agent"]) == (kind.value, "decision") and call["reason"]
    assert [vote["action"] for vote in bought + sold] == ["buy"] * 6 + ["sell"] * 6
    assert [vote["action"] for vote in one if vote["model"] != culprit] == ["hold"] * 5

    outcomes = {vote["decision_number"]: decisions[vote["decision_number"]] for vote in votes}
    words = [decision["outcome"] for decision in outcomes.values()]
    assert words[:2] + words[3:] == ["sent", "held", "sent"]
    assert "5 of 6 models answered" in outcomes[one[0]["decision_number"]]["reasons"][0]
    # From the buy to the sale nothing was sent, and the stop was neither cancelled nor changed.
    entry, stop, closing = orders
    assert (entry["purpose"], stop["purpose"], stop["status"]) == ("entry", "stop_loss", "cancelled")
    assert stop["price"] == _trigger(list(decisions.values()))
    of_stop = [event for event in events if event["order_number"] == stop["order_number"]]
    assert [event["kind"] for event in of_stop if event["kind"] in ("cancelled", "filled")] == ["cancelled"]
    sale_ns = sold[0]["time_ns"]
    assert min(closing["submitted_at_ns"], of_stop[-1]["time_ns"]) >= sale_ns > all_of_them[0]["time_ns"]
    assert (closing["status"], session.halted) == ("filled", "")


async def test_a_budget_that_ends_in_mid_cycle_ends_the_calls_and_nothing_else(
    database_url: str, tmp_path: Path
) -> None:
    """Nobody says what a call has cost, so that each counts as it was reserved: 2,000 tokens at 10 USD a million are
    0.02. Five paid models in three markets are 15 calls a cycle: 0.30 for the first, and 0.45 has room for 7 more."""

    def says(asked: Asked) -> Do | str | None:
        return buys_once(asked) or (None if asked.model == "qwen" else Do.NO_USAGE)

    class Silent(ThinkingServer):
        """Leaves the usage out of good answers."""

        def _spoken(self, path: str, body: dict[str, Any], text: str, fault: Do | None) -> Any:
            return super()._spoken(path, body, text, fault or Do.NO_USAGE)

    prices = {name: {"price_in_usd": 0} for name in SIX if name != "qwen"}
    budget = {"llm": {"budget": {"per_day_usd": "0.45", "warn_usd": "0.40"}, "options": prices}}
    async with Silent(says=says) as server:
        config = write_config(tmp_path / "config", server.url, **budget)
        async with thinking_paper(database_url, config, tmp_path, duration="65s") as paper:
            await paper.system.run()
            votes, calls = await paper.rows("paper_votes"), await paper.rows("model_calls", "started_at")
            decisions = await paper.rows("paper_decisions")
            analyses = await paper.rows("paper_analyses")
            assert await protection(paper) == (None, "open", _trigger(decisions))
            assert "0.45 USD" in paper.system.models.warning
    paid = [asked for asked in server.asked if asked.model != "qwen"]
    assert len(paid) == 15 + 7
    times = sorted({call["asked_at_ns"] for call in calls})
    statuses = [Counter(c["status"] for c in calls if c["asked_at_ns"] == at and c["model"] != "qwen") for at in times]
    assert statuses == [{"answered": 15}, {"answered": 7, "budget": 8}, {"budget": 15}, {"budget": 15}]
    spent = sum(call["cost_usd"] for call in calls)
    assert spent == Decimal("0.44")
    for vote in votes:
        if vote["failure"]:
            assert (vote["action"], vote["failure"], vote["cost_usd"]) == ("abstain", "budget", 0)
            assert "0.45 USD a day has no room" in vote["reasoning"]
    # The model that costs nothing goes on voting; one of six is no quorum, and the rules go on analysing.
    last = [vote for vote in votes if vote["time_ns"] > times[-1]]
    assert Counter((vote["model"] == "qwen", vote["action"]) for vote in last) == {
        (True, "hold"): 3,
        (False, "abstain"): 15,
    }
    assert all("no quorum" in decision["reasons"][0] for decision in decisions[-3:])
    assert [a["task"] for a in analyses if a["time_ns"] > times[1] and a["model"] is None].count("technical") == 3


async def test_who_is_brought_up_to_another_asks_what_it_would_have_asked_alone(
    database_url: str, tmp_path: Path
) -> None:
    """Each 20 s, the first time at the beginning: three times in 45 s."""
    calls: list[Any] = []
    async with ThinkingServer(says=lambda asked: None) as server:
        config = write_config(tmp_path / "config", server.url)
        for names, duration in ((("late",), "1s"), (("ahead",), "45s"), (("ahead", "late"), "1s")):
            main, *others = names
            sessions: dict[str, Any] = {"session": main, "others": tuple(others)}
            async with thinking_paper(database_url, config, tmp_path, duration=duration, **sessions) as paper:
                await paper.system.run()
                calls = await paper.database.rows("calls", "SELECT session_id, status FROM model_calls")
    asked = Counter(call["session_id"] for call in calls if call["status"] == "answered")
    assert asked["late"] == asked["ahead"] >= 3 * 6
