"""One question, one deadline: what is sent, how often, within which budget, and who is left alone."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

import pytest
from msgspec.structs import asdict
from pydantic import BaseModel
from tests.llm.asked import GOOD, GOOD_TEXT, NOON_NS, SECRETS, Vote, ask, client_of, good_but, spec_of
from tests.llm.fake_provider import Do, FakeProvider
from tests.llm.spending_memory import MemorySpending

from triplegain.domain.agent_records import ModelCall, OverBudget
from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.domain.errors import InvalidValueError
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, ModelReply, Prompt, Tool
from triplegain.llm.spec import Provider, Thinking

DAY_NS = 86_400 * SECOND_NS


def failed(reply: ModelReply) -> ModelFailure:
    assert isinstance(reply, ModelFailure), reply
    return reply


def test_importing_the_room_imports_no_provider() -> None:
    heavy = {"openai", "anthropic", "pydantic_ai", "httpx2", "genai_prices"}
    words = "import sys, triplegain.llm.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert "pydantic" in done.stdout.split()
    assert heavy & set(done.stdout.split()) == set()


async def test_each_provider_is_told_the_schema_in_its_way_and_only_its_own_key() -> None:
    told = {}
    async with FakeProvider(GOOD_TEXT) as fake:
        for provider in Provider:
            async with client_of(spec_of(provider, fake, temperature=0.0)) as (client, _):
                assert isinstance(await client.complete(ask(provider)), ModelAnswer)
            told[provider] = fake.calls.pop()
            sent = fake.headers.pop()
            ours = sent.get("x-api-key") or sent.get("authorization", "").removeprefix("Bearer ")
            assert ours == ("" if provider is Provider.OLLAMA else SECRETS[provider])
            assert sent["accept-encoding"] == "identity"
    for provider in (Provider.OPENAI, Provider.XAI, Provider.LOCAL):
        form = told[provider]["response_format"]
        assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
        assert form["json_schema"]["schema"]["required"] == list(GOOD)
        assert form["json_schema"]["schema"]["additionalProperties"] is False
    assert told[Provider.ANTHROPIC]["output_config"]["format"]["type"] == "json_schema"
    deepseek = told[Provider.DEEPSEEK]
    assert deepseek["response_format"] == {"type": "json_object"}
    assert '"action":"buy|sell|hold"' in deepseek["messages"][0]["content"]
    assert "json" in deepseek["messages"][0]["content"]
    ollama = told[Provider.OLLAMA]
    assert ollama["path"] == "/api/chat"
    assert ollama["options"] == {"num_ctx": 16_384, "num_predict": 1024, "temperature": 0.0}
    assert ollama["format"]["properties"]["confidence_pct"] == {"maximum": 100, "minimum": 0, "type": "integer"}
    assert json.dumps(ollama["format"], separators=(",", ":")) in ollama["messages"][0]["content"]
    local = told[Provider.LOCAL]["response_format"]["json_schema"]["schema"]["properties"]
    assert (local["confidence_pct"]["maximum"], local["reasoning"]["maxLength"]) == (100, 300)


async def test_a_schema_that_stands_in_the_prompt_is_not_printed_twice() -> None:
    fields = ", ".join(f'"{name}"' for name in GOOD)
    async with FakeProvider(GOOD_TEXT) as fake, client_of(spec_of(Provider.OLLAMA, fake)) as (client, _):
        await client.complete(replace(ask("ollama"), prompt=Prompt(f"Vote with {fields}.", "?")))
    assert fake.calls[0]["messages"][0]["content"] == f"Vote with {fields}."


async def test_the_second_try_is_told_what_was_wrong_with_the_first() -> None:
    bad = good_but(confidence_pct=101)
    async with (
        FakeProvider(GOOD_TEXT, script=[bad]) as fake,
        client_of(spec_of(Provider.OPENAI, fake)) as (client, led),
    ):
        await client.complete(ask("openai"))
    _, _, answer, complaint = fake.calls[1]["messages"]
    assert (answer["role"], answer["content"]) == ("assistant", bad)
    assert "confidence_pct" in complaint["content"]
    assert "100" in complaint["content"]
    assert [call.status for call in led.calls] == ["invalid", "answered"]
    assert led.calls[1].request["messages"][2] == {"role": "model", "text": bad}


async def test_retry_and_repair_are_three_sends_at_most() -> None:
    moon = good_but(action="moon")
    script: list[Do | str] = [Do.FAIL, moon, moon, GOOD_TEXT]
    async with FakeProvider(GOOD_TEXT, script=script) as fake, client_of(spec_of(Provider.OLLAMA, fake)) as (client, _):
        reply = failed(await client.complete(ask("ollama")))
    assert (reply.kind, reply.usage.attempts, len(fake.calls)) == (FailureKind.INVALID, 3, 3)


async def test_who_asks_for_more_patience_than_there_is_is_not_asked_again() -> None:
    async with (
        FakeProvider(GOOD_TEXT, script=[Do.RATE_LIMIT], retry_after="60") as fake,
        client_of(spec_of(Provider.XAI, fake)) as (client, _),
    ):
        reply = failed(await client.complete(ask("xai")))
    assert (reply.kind, reply.usage.attempts) == (FailureKind.RATE_LIMITED, 1)
    assert reply.usage.latency_ns < 2 * SECOND_NS


async def test_the_deadline_is_one_for_all_sends() -> None:
    async with (
        FakeProvider(good_but(action="moon"), delay_s=0.3) as fake,
        client_of(spec_of(Provider.OLLAMA, fake)) as (client, _),
    ):
        reply = failed(await client.complete(ask("ollama", timeout_s=0.5)))
    assert (reply.kind, reply.usage.attempts) == (FailureKind.TIMEOUT, 2)
    assert reply.usage.latency_ns < 0.9 * SECOND_NS


async def test_a_prompt_that_ollama_may_have_cut_is_no_question() -> None:
    # 2 000 tokens of context, 1 000 for the answer: the prompt has room for 1 000 and could have 3 000.
    long = replace(ask("ollama"), prompt=Prompt("Vote.", "x" * 3000))
    for counted, expected in ((999, None), (1000, None), (1001, FailureKind.TRUNCATED)):
        async with FakeProvider(GOOD_TEXT, prompt_tokens=counted) as fake:
            spec = spec_of(Provider.OLLAMA, fake, context_tokens=2000, max_output_tokens=1000)
            async with client_of(spec) as (client, _):
                reply = await client.complete(long)
        assert (reply.kind if isinstance(reply, ModelFailure) else None) is expected


@pytest.mark.parametrize("counted", [-7, 5 * 10**18, 10**19])
@pytest.mark.parametrize("local", [True, False])
async def test_a_figure_that_the_question_cannot_have_led_to_is_not_known(local: bool, counted: int) -> None:
    prices = {} if local else {"local": False, "price_in": Decimal(2), "price_out": Decimal(10)}
    spending = MemorySpending()
    async with (
        FakeProvider(GOOD_TEXT, prompt_tokens=counted) as fake,
        client_of(spec_of(Provider.OLLAMA, fake, **prices), spending=spending) as (client, _),
    ):
        reply = await client.complete(ask("ollama"))
        again = await client.complete(ask("ollama", request_id="round-2/x"))
    assert isinstance(reply, ModelAnswer) and isinstance(again, ModelAnswer)
    assert reply.usage.tokens_in == 0
    # Not known costs what was set aside: some bytes of a prompt and 1,024 tokens of answer at 10 USD a million.
    assert 0 <= reply.usage.cost_usd < Decimal("0.02")
    assert (reply.usage.cost_usd > 0) is not local


async def test_a_response_of_a_hundred_thousand_levels_is_a_failure() -> None:
    async with (
        FakeProvider(GOOD_TEXT, script=[Do.DEEP, Do.DEEP]) as fake,
        client_of(spec_of(Provider.OLLAMA, fake)) as (client, _),
    ):
        reply = await client.complete(ask("ollama"))
    assert failed(reply).kind is FailureKind.OVERSIZED


class TestBudget:
    async def test_when_it_is_used_up_nothing_leaves_and_a_local_model_goes_on(self) -> None:
        async with FakeProvider(GOOD_TEXT) as fake:
            specs = spec_of(Provider.OPENAI, fake), spec_of(Provider.OLLAMA, fake)
            async with client_of(*specs, spending=MemorySpending(per_day_usd=Decimal("0.001"))) as (client, spending):
                reply = failed(await client.complete(ask("openai")))
                assert fake.calls == []
                assert isinstance(await client.complete(ask("ollama")), ModelAnswer)
        assert (reply.kind, reply.usage.attempts) == (FailureKind.BUDGET, 0)
        assert reply.usage.cost_usd == 0
        assert "until 00:00 UTC" in reply.reason
        assert [(call.status, call.attempts) for call in spending.calls] == [("budget", 0), ("answered", 1)]

    async def test_the_questions_of_one_round_share_a_limit_and_the_next_day_is_another(self) -> None:
        clock = ManualClock(NOON_NS)
        async with FakeProvider(GOOD_TEXT) as fake:
            # Two calls of 0.002264 fit, with a worst case of 0.0135 the third does not.
            spending = MemorySpending(per_day_usd=Decimal("0.022"), per_decision_usd=Decimal("0.017"))
            async with client_of(spec_of(Provider.OPENAI, fake), spending=spending, clock=clock) as (client, _):
                kinds = []
                for round_id in ("a/1", "a/2", "a/3", "b/1", "b/2", "b/3"):
                    reply = await client.complete(ask("openai", request_id=round_id))
                    kinds.append(isinstance(reply, ModelAnswer))
                clock.advance_to(NOON_NS + DAY_NS)
                kinds.append(isinstance(await client.complete(ask("openai", request_id="c/1")), ModelAnswer))
        assert kinds == [True, True, False, True, True, False, True]

    async def test_a_budget_that_forbids_asking_again_leaves_the_first_failure(self) -> None:
        async with FakeProvider(good_but(action="moon")) as fake:
            spending = MemorySpending(per_decision_usd=Decimal("0.015"))
            async with client_of(spec_of(Provider.OPENAI, fake), spending=spending) as (client, _):
                reply = failed(await client.complete(ask("openai")))
        assert (reply.kind, reply.usage.attempts, len(fake.calls)) == (FailureKind.INVALID, 1, 1)
        assert "not asked again" in reply.reason

    async def test_a_model_whose_price_nobody_knows_is_not_asked(self) -> None:
        async with FakeProvider(GOOD_TEXT) as fake:
            spec = spec_of(Provider.OPENAI, fake, price_in=None)
            async with client_of(spec) as (client, _):
                reply = failed(await client.complete(ask("openai")))
        assert (reply.kind, fake.calls) == (FailureKind.UNAVAILABLE, [])

    async def test_a_call_that_is_given_up_is_settled_in_full(self) -> None:
        async with (
            FakeProvider(GOOD_TEXT, script=[Do.HANG]) as fake,
            client_of(spec_of(Provider.DEEPSEEK, fake)) as (client, spending),
        ):
            asking = asyncio.create_task(client.complete(ask("deepseek")))
            while not fake.calls:
                await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        (call,) = spending.calls
        assert (call.status, call.cost_usd) == ("unavailable", call.reserved_usd)

    async def test_what_was_set_aside_for_a_call_that_never_left_is_given_back(self) -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        class Slow(MemorySpending):
            async def reserve(self, call: ModelCall) -> OverBudget | None:
                begun.set()
                await go_on.wait()
                return await super().reserve(call)

        async with (
            FakeProvider(GOOD_TEXT) as fake,
            client_of(spec_of(Provider.DEEPSEEK, fake), spending=Slow()) as (client, spending),
        ):
            asking = asyncio.create_task(client.complete(ask("deepseek")))
            await begun.wait()
            asking.cancel()
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await asking
        (call,) = spending.calls
        assert (call.status, call.cost_usd, fake.calls) == ("unavailable", Decimal(0), [])

    async def test_the_reservation_is_made_before_anything_is_sent(self) -> None:
        class Strict(MemorySpending):
            async def reserve(self, call):  # type: ignore[no-untyped-def]
                assert fake.calls == []
                raise OSError("the ledger cannot be written")

        async with (
            FakeProvider(GOOD_TEXT) as fake,
            client_of(spec_of(Provider.OPENAI, fake), spending=Strict()) as (client, _),
        ):
            with pytest.raises(OSError, match="ledger"):
                await client.complete(ask("openai"))
        assert fake.calls == []


class TestBreaker:
    async def test_three_failures_open_it_for_300_s_and_one_call_tries_again(self) -> None:
        clock = ManualClock(NOON_NS)
        async with (
            FakeProvider(GOOD_TEXT, script=[Do.EMPTY] * 4) as fake,
            client_of(spec_of(Provider.XAI, fake), clock=clock) as (client, _),
        ):

            async def kind() -> str:
                reply = await client.complete(ask("xai"))
                return reply.kind if isinstance(reply, ModelFailure) else "answered"

            assert [await kind() for _ in range(5)] == ["empty"] * 3 + ["breaker_open"] * 2
            clock.advance_to(NOON_NS + 300 * SECOND_NS - 1)
            assert await kind() == "breaker_open"
            clock.advance_to(NOON_NS + 300 * SECOND_NS)
            # The trial fails: closed again for as long. Then it succeeds.
            assert [await kind(), await kind()] == ["empty", "breaker_open"]
            clock.advance_to(NOON_NS + 600 * SECOND_NS)
            assert [await kind(), await kind()] == ["answered"] * 2
        assert len(fake.calls) == 3 + 1 + 2

    async def test_a_provider_that_is_away_is_away_for_all_its_models(self) -> None:
        async with FakeProvider(GOOD_TEXT, script=[Do.FAIL] * 6) as fake:
            sonnet = spec_of(Provider.ANTHROPIC, fake, name="sonnet")
            opus = spec_of(Provider.ANTHROPIC, fake, name="opus")
            async with client_of(sonnet, opus, spec_of(Provider.OPENAI, fake)) as (client, _):
                for model in ("sonnet", "opus", "sonnet"):
                    assert failed(await client.complete(ask(model))).kind is FailureKind.SERVER_ERROR
                refused = failed(await client.complete(ask("opus")))
                assert isinstance(await client.complete(ask("openai")), ModelAnswer)
        assert refused.kind is FailureKind.BREAKER_OPEN
        assert "anthropic" in refused.reason

    async def test_bad_answers_of_one_model_are_not_its_providers_fault(self) -> None:
        async with FakeProvider(GOOD_TEXT, script=[Do.EMPTY] * 3) as fake:
            sonnet = spec_of(Provider.ANTHROPIC, fake, name="sonnet")
            opus = spec_of(Provider.ANTHROPIC, fake, name="opus")
            async with client_of(sonnet, opus) as (client, _):
                for _ in range(3):
                    assert failed(await client.complete(ask("sonnet"))).kind is FailureKind.EMPTY
                assert failed(await client.complete(ask("sonnet"))).kind is FailureKind.BREAKER_OPEN
                assert isinstance(await client.complete(ask("opus")), ModelAnswer)


class TestSearch:
    @pytest.mark.parametrize("provider", [Provider.OPENAI, Provider.XAI, Provider.ANTHROPIC])
    async def test_a_provider_searches_before_it_answers_and_charges_for_it(self, provider: Provider) -> None:
        tools = frozenset({Tool.WEB_SEARCH}) | (frozenset({Tool.X_SEARCH}) if provider is Provider.XAI else set())
        async with FakeProvider(GOOD_TEXT) as fake, client_of(spec_of(provider, fake)) as (client, spending):
            reply = await client.complete(ask(provider, tools=tools))
        assert isinstance(reply, ModelAnswer), reply
        sent = [tool["type"] for tool in fake.calls[0]["tools"]]
        assert [word.rpartition("_2")[0] or word for word in sent] == sorted(tools)
        # OpenAI tells one search; how often X is searched nobody tells, so it counts as three; the last told none.
        searches = {Provider.OPENAI: 1, Provider.XAI: 3, Provider.ANTHROPIC: 0}[provider]
        assert reply.usage.cost_usd == Decimal("0.002264") + searches * Decimal("0.01")
        # Three searches and their findings: 18 000 tokens at 2 USD a million.
        assert spending.calls[0].reserved_usd > Decimal("0.03") + Decimal("0.036")

    @pytest.mark.parametrize("provider", [Provider.DEEPSEEK, Provider.OLLAMA, Provider.LOCAL])
    async def test_who_cannot_search_is_not_asked_to(self, provider: Provider) -> None:
        async with FakeProvider(GOOD_TEXT) as fake, client_of(spec_of(provider, fake)) as (client, _):
            reply = failed(await client.complete(ask(provider, tools=frozenset({Tool.WEB_SEARCH}))))
        assert (reply.kind, fake.calls) == (FailureKind.UNAVAILABLE, [])


class TestSecrets:
    async def test_a_provider_that_repeats_the_key_does_not_bring_it_into_the_record(self) -> None:
        async with (
            FakeProvider(GOOD_TEXT, script=[Do.NO_KEY]) as fake,
            client_of(spec_of(Provider.OPENAI, fake)) as (client, spending),
        ):
            reply = failed(await client.complete(ask("openai")))
        assert SECRETS[Provider.OPENAI] in fake.headers[0]["authorization"]
        assert "********" in reply.reason
        assert SECRETS[Provider.OPENAI] not in reply.reason + str(asdict(spending.calls[0]))

    async def test_neither_does_an_answer_or_a_prompt(self) -> None:
        secret = SECRETS[Provider.OPENAI]
        leaking = good_but(reasoning=f"your key is {secret}")
        async with FakeProvider(leaking) as fake, client_of(spec_of(Provider.OPENAI, fake)) as (client, spending):
            reply = await client.complete(replace(ask("openai"), prompt=Prompt(f"Vote. {secret}", secret)))
        assert isinstance(reply, ModelAnswer)
        assert secret not in str(reply) + str(asdict(spending.calls[0]))


async def test_thinking_is_told_where_it_can_be() -> None:
    async with FakeProvider(GOOD_TEXT) as fake:
        xai = spec_of(Provider.XAI, fake, thinking=Thinking.LOW)
        ollama = spec_of(Provider.OLLAMA, fake, thinking=Thinking.OFF)
        async with client_of(xai, ollama) as (client, _):
            await client.complete(ask("xai"))
            await client.complete(ask("ollama"))
    assert fake.calls[0]["reasoning_effort"] == "low"
    assert fake.calls[1]["think"] is False


async def test_an_answer_with_a_default_is_a_mistake_of_ours_and_raises() -> None:
    class Lax(BaseModel):
        action: str = "buy"

    async with FakeProvider() as fake, client_of(spec_of(Provider.OLLAMA, fake)) as (client, _):
        with pytest.raises(InvalidValueError, match="action"):
            await client.complete(ask("ollama", answer=Lax))
        assert isinstance(await client.complete(ask("ollama", answer=Vote)), ModelFailure)


async def test_a_name_nobody_has_is_nobody() -> None:
    async with client_of() as (client, _):
        assert failed(await client.complete(ask("gpt"))).kind is FailureKind.UNAVAILABLE
