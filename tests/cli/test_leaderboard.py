"""`leaderboard` on a session written by hand: figures, and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from tests.cli.conftest import Stored, Tg
from tests.storage.mind_steps import outcome, vote
from tests.storage.scripted_session import ScriptedSession, session_record

from triplegain.domain.agent_records import OutcomeRecord, VoteRecord
from triplegain.storage.session_store import SessionStore


async def voted(store: SessionStore, votes: Sequence[VoteRecord], outcomes: Sequence[OutcomeRecord] = ()) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    for batch in (script.opening(), script.buy()):
        await store.commit("a", batch)
    await store.commit("a", replace(script.idle(), votes=tuple(votes), outcomes=tuple(outcomes)))


async def few(store: SessionStore) -> None:
    """Three of four right, and one that never answered."""
    votes = [*(vote(number) for number in range(1, 5)), vote(5, model="grok", action="abstain", failure="timeout")]
    nets = ("0.0012", "0.0030", "0.0010", "-0.0012")
    await voted(store, votes, [outcome(number, 1, net) for number, net in enumerate(nets, start=1)])


async def many(store: SessionStore) -> None:
    """70 of 100 right."""
    votes = [vote(number) for number in range(1, 101)]
    await voted(store, votes, [outcome(each.number, 1, "0.001" if each.number <= 70 else "-0.001") for each in votes])


def test_few_votes_cannot_tell_skill_from_luck(tg: Tg, stored: Stored) -> None:
    stored(few)
    shown = tg("leaderboard").out
    # (12 + 30 + 10 - 12) / 4 = 10 bps; Wilson for 3 of 4: 30 to 95 %.
    for words in ("gpt", "100.0 %", "75.0 %", "yes, 30 to 95 %", "+10.0", "1 timeout", "1 h", "0.0492"):
        assert words in shown, words
    assert "These numbers cannot tell skill from luck: with at most 4 votes" in " ".join(shown.split())
    found = tg("leaderboard", "--json").json
    gpt, grok = found["models"]
    assert (gpt["model"], gpt["asked"], gpt["valid"], gpt["coverage_percent"], gpt["cost_usd"]) == (
        "gpt", 4, 4, "100", "0.0492",
    )  # fmt: skip
    (horizon,) = gpt["horizons"]
    assert (horizon["horizon_s"], horizon["sided"], horizon["hits"], horizon["hit_percent"]) == (3600.0, 4, 3, "75")
    assert (horizon["mean_net_bps"], round(horizon["hit_rate_range"]["low"], 3)) == ("10", 0.301)
    assert (grok["failures"], grok["coverage_percent"], grok["latency_s"]) == ({"timeout": 1}, "0", None)
    assert "about 783 votes" in found["verdict"]


def test_enough_votes_are_told_from_a_coin(tg: Tg, stored: Stored) -> None:
    stored(many)
    verdict = tg("leaderboard", "--json").json["verdict"]
    assert verdict.startswith("gpt is more often right than a coin after 1 h: 60 to 78 %")
    assert "cannot tell" not in verdict
    assert "no, 60 to 78 %" in tg("leaderboard").out


def test_before_the_first_outcome_nothing_is_said(tg: Tg, stored: Stored) -> None:
    assert tg("leaderboard").err.startswith("there is no session yet")

    async def young(store: SessionStore) -> None:
        await voted(store, [vote(1), vote(2, action="abstain")])

    stored(young)
    assert "nothing can be said about any model" in tg("leaderboard").out
    assert "1 without an opinion" in tg("leaderboard").out
    assert tg("leaderboard", "--json").json["models"][0]["failures"] == {"no_opinion": 1}
    assert tg("leaderboard", "--session", "b").code == 2


def test_a_session_of_rules_alone_has_no_models(tg: Tg, stored: Stored) -> None:
    async def rules(store: SessionStore) -> None:
        await voted(store, [])

    stored(rules)
    assert "no model has voted in a" in tg("leaderboard").out
    assert tg("leaderboard", "--json").json["models"] == []
