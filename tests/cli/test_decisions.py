"""`decisions` on a session written by hand, for programs and for eyes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.cli.conftest import Stored, Tg
from tests.storage.mind_steps import vote
from tests.storage.scripted_session import ScriptedSession, session_record

from triplegain.storage.session_store import SessionStore

RISK = {
    "entry": "60000", "stop": "58000", "target": "65000", "quantity": "0.0333",
    "clamps": [{"rule": "position_size", "from": "0.05", "to": "0.0333"}], "warnings": ["exposure 72 % of 70 %"],
}  # fmt: skip


async def three_decisions(store: SessionStore) -> None:
    """1: a buy of two votes against a time-out, sent. 2: XRP refused. 3: another buy, without votes."""
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    batch = script.buy()
    decision = replace(batch.decisions[0], agent="consensus", details=RISK, reasons=("two of three say buy",))
    votes = (
        vote(1),
        replace(vote(2, model="grok", action="hold"), reasoning="\x1b[2Jnothing to see"),
        vote(3, model="qwen", action="abstain", failure="rate_limited"),
        vote(4, model="late", decision=None),
    )
    await store.commit("a", replace(batch, decisions=(decision,), votes=votes))
    refused = script.refuse("confidence 0.5 is below 0.6\x1b[31m")
    rules = replace(refused.decisions[0], details={"rules": ["confidence"], "clamps": []})
    await store.commit("a", replace(refused, decisions=(rules,)))
    await store.commit("a", script.buy())


def test_a_program_reads_decisions_with_their_votes(tg: Tg, stored: Stored) -> None:
    stored(three_decisions)
    found = tg("decisions", "--json").json
    assert (found["mode"], found["session"]) == ("paper", "a")
    assert [each["number"] for each in found["decisions"]] == [3, 2, 1]
    first = found["decisions"][2]
    assert (first["agent"], first["action"], first["confidence"], first["outcome"]) == (
        "consensus", "buy", "0.75", "sent",
    )  # fmt: skip
    assert first["details"] == RISK
    assert [(each["model"], each["action"], each["failure"]) for each in first["votes"]] == [
        ("gpt", "buy", ""), ("grok", "hold", ""), ("qwen", "abstain", "rate_limited"),
    ]  # fmt: skip
    assert first["votes"][0]["price"] == "60000.123456789"
    assert found["decisions"][1]["votes"] == []


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (("--symbol", "xrp/usdt"), [2]),
        (("--outcome", "SENT"), [3, 1]),
        (("--limit", "2"), [3, 2]),
        (("--limit", "2", "--before", "2"), [1]),
        (("--symbol", "XRP/USDT", "--outcome", "sent"), []),
        (("--session", "a", "--outcome", "held"), []),
    ],
)
def test_decisions_are_chosen(tg: Tg, stored: Stored, words: tuple[str, ...], numbers: list[int]) -> None:
    stored(three_decisions)
    assert [each["number"] for each in tg("decisions", *words, "--json").json["decisions"]] == numbers


def test_eyes_see_who_voted_what_risk_cut_and_what_was_sent(
    tg: Tg, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(three_decisions)
    shown = tg("decisions").out
    for words in (
        "PAPER  Decisions of a, times in UTC",
        "#1  2023-11-14 22:13:21  BTC/USDT  consensus: buy 0.75  sent",
        "gpt buy 0.72; grok hold 0.72; qwen abstains (rate limited)",
        "position size cut 0.05 to 0.0333; warned: exposure 72 % of 70 %",
        "order c-1, 0.0333 BTC, entry 60000, stop 58000, target 65000",
        "two of three say buy",
        "refused by confidence",
        "Why not  confidence 0.5 is below 0.6",
    ):
        assert words in shown, words
    assert shown.index("#3") < shown.index("#2") < shown.index("#1")
    assert "\x1b" not in shown
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, tg("decisions").out.splitlines())) <= 60


def test_where_there_is_nothing_it_says_so(tg: Tg, stored: Stored) -> None:
    assert tg("decisions").err.startswith("there is no session yet")
    stored(three_decisions)
    assert "no such decision in a" in tg("decisions", "--outcome", "held").out
    assert tg("decisions", "--session", "b").code == 2
    assert tg("decisions", "--outcome", "won").code == 2
    assert tg("decisions", "--limit", "0").code == 2
