"""Every provider's wire format, and every way in which it can go wrong: a typed failure, the cost, a row, no secret."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import asdict
from tests.llm.asked import GOOD, GOOD_TEXT, SECRETS, ask, client_of, good_but, spec_of
from tests.llm.fake_provider import MODEL_ID, TOKENS_IN, TOKENS_OUT, Do, FakeProvider

from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure
from triplegain.llm.spec import Provider

ALL = list(Provider)
#: 812 x 2 / 1e6 + 64 x 10 / 1e6
COST = Decimal("0.002264")

#: What the server does each time it is asked -> the failure, and how often it was asked.
FAULTS: dict[str, tuple[list[Do | str], FailureKind, int]] = {
    "429": ([Do.RATE_LIMIT] * 2, FailureKind.RATE_LIMITED, 2),
    "500": ([Do.FAIL] * 2, FailureKind.SERVER_ERROR, 2),
    "reset": ([Do.RESET] * 2, FailureKind.CONNECTION, 2),
    "no json": ([Do.NO_JSON] * 2, FailureKind.SERVER_ERROR, 2),
    "400": ([Do.REJECT], FailureKind.REJECTED, 1),
    "401": ([Do.NO_KEY], FailureKind.REJECTED, 1),
    "empty": ([Do.EMPTY], FailureKind.EMPTY, 1),
    "truncated": ([Do.TRUNCATE], FailureKind.TRUNCATED, 1),
    "oversized": ([Do.OVERSIZE], FailureKind.OVERSIZED, 1),
    "long": ([good_but(reasoning="x" * 30_000)], FailureKind.OVERSIZED, 1),
    "wrong echo": ([good_but(snapshot="abc124")], FailureKind.WRONG_ECHO, 1),
    "wrong enum": ([good_but(action="moon")] * 2, FailureKind.INVALID, 2),
    "NaN": ([GOOD_TEXT.replace("0.5", "NaN")] * 2, FailureKind.INVALID, 2),
    "Infinity": ([GOOD_TEXT.replace("0.5", "-Infinity")] * 2, FailureKind.INVALID, 2),
    "infinite": ([GOOD_TEXT.replace("0.5", "1e999")] * 2, FailureKind.INVALID, 2),
    "out of bounds": ([good_but(confidence_pct=101)] * 2, FailureKind.INVALID, 2),
    "a field less": (['{"action":"buy"}'] * 2, FailureKind.INVALID, 2),
    "a field more": ([good_but(price=1)] * 2, FailureKind.INVALID, 2),
    "number as text": ([good_but(confidence_pct="60")] * 2, FailureKind.INVALID, 2),
    "prose": (["I would buy."] * 2, FailureKind.INVALID, 2),
    "fenced": ([f"```json\n{GOOD_TEXT}\n```"] * 2, FailureKind.INVALID, 2),
    "prose around": ([f"Sure! {GOOD_TEXT}"] * 2, FailureKind.INVALID, 2),
}
#: The provider answered, and says what for.
PAID = {name for name, (script, _, _) in FAULTS.items() if not isinstance(script[0], Do)} | {"empty", "truncated"}
#: It may have worked, and did not say.
UNKNOWN = {"reset", "no json", "oversized"}


@pytest.mark.parametrize("provider", ALL)
async def test_a_good_answer_arrives_as_it_was_given(provider: Provider) -> None:
    async with FakeProvider(GOOD_TEXT) as fake, client_of(spec_of(provider, fake)) as (client, spending):
        reply = await client.complete(ask(provider))
    assert isinstance(reply, ModelAnswer)
    assert reply.value == GOOD
    assert reply.model_id == MODEL_ID
    local = provider in (Provider.OLLAMA, Provider.LOCAL)
    assert reply.usage.cost_usd == (0 if local else COST)
    assert (reply.usage.tokens_in, reply.usage.tokens_out, reply.usage.attempts) == (TOKENS_IN, TOKENS_OUT, 1)
    (call,) = spending.calls
    assert (call.status, call.model_id, call.response) == ("answered", MODEL_ID, GOOD_TEXT)
    assert call.prompt_hash == reply.prompt_hash
    assert call.request["messages"][1] == {"role": "user", "text": "The market stands still."}
    assert call.cost_usd <= call.reserved_usd
    assert SECRETS[provider] not in str(asdict(call))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("provider", ALL)
async def test_what_goes_wrong_is_a_failure_with_its_kind_its_cost_and_its_row(provider: Provider, fault: str) -> None:
    script, kind, sends = FAULTS[fault]
    async with FakeProvider(GOOD_TEXT) as fake, client_of(spec_of(provider, fake)) as (client, spending):
        fake.script = list(script)
        reply = await client.complete(ask(provider))
    assert isinstance(reply, ModelFailure), reply
    assert (reply.kind, reply.usage.attempts, len(fake.calls)) == (kind, sends, sends)
    assert reply.reason
    assert len(spending.calls) == sends
    last = spending.calls[-1]
    assert (last.status, last.reason) == (kind.value, reply.reason)
    each = COST if fault in PAID else last.reserved_usd if fault in UNKNOWN else Decimal(0)
    if provider in (Provider.OLLAMA, Provider.LOCAL):
        each = Decimal(0)
    assert last.cost_usd == each
    assert reply.usage.cost_usd == sum(call.cost_usd for call in spending.calls)
    assert SECRETS[provider] not in reply.reason + str([asdict(call) for call in spending.calls])


@pytest.mark.parametrize("fault", [Do.HANG, Do.DRIP])
@pytest.mark.parametrize("provider", ALL)
async def test_who_does_not_come_to_an_end_is_left_at_the_deadline(provider: Provider, fault: Do) -> None:
    async with FakeProvider(GOOD_TEXT) as fake, client_of(spec_of(provider, fake)) as (client, spending):
        fake.script = [fault]
        reply = await client.complete(ask(provider, timeout_s=0.3))
    assert isinstance(reply, ModelFailure)
    assert reply.kind is FailureKind.TIMEOUT
    assert 0.25e9 < reply.usage.latency_ns < 1.0e9
    (call,) = spending.calls
    assert (call.status, call.cost_usd) == ("timeout", call.reserved_usd)


@pytest.mark.parametrize("provider", [each for each in ALL if each is not Provider.OLLAMA])
async def test_a_refusal_is_a_refusal(provider: Provider) -> None:
    async with FakeProvider(GOOD_TEXT, script=[Do.REFUSE]) as fake, client_of(spec_of(provider, fake)) as (client, _):
        reply = await client.complete(ask(provider))
    assert isinstance(reply, ModelFailure)
    assert (reply.kind, reply.usage.cost_usd > 0) == (FailureKind.REFUSAL, provider is not Provider.LOCAL)


@pytest.mark.parametrize("provider", ALL)
@pytest.mark.parametrize("first", [Do.RATE_LIMIT, Do.FAIL, Do.RESET, good_but(action="moon"), "I would buy."])
async def test_once_more_is_enough(provider: Provider, first: Do | str) -> None:
    async with (
        FakeProvider(GOOD_TEXT, script=[first]) as fake,
        client_of(spec_of(provider, fake)) as (client, spending),
    ):
        reply = await client.complete(ask(provider))
    assert isinstance(reply, ModelAnswer)
    assert reply.usage.attempts == len(spending.calls) == 2
    assert spending.calls[1].status == "answered"


@pytest.mark.parametrize("provider", ALL)
async def test_usage_that_is_not_told_counts_in_full(provider: Provider) -> None:
    async with (
        FakeProvider(GOOD_TEXT, script=[Do.NO_USAGE]) as fake,
        client_of(spec_of(provider, fake)) as (client, spending),
    ):
        reply = await client.complete(ask(provider))
    assert isinstance(reply, ModelAnswer)
    assert reply.usage.cost_usd == spending.calls[0].reserved_usd


@pytest.mark.parametrize("provider", ALL)
async def test_nobody_listens(provider: Provider) -> None:
    async with FakeProvider() as fake:
        spec = spec_of(provider, fake)
    async with client_of(spec) as (client, _):
        reply = await client.complete(ask(provider))
    assert isinstance(reply, ModelFailure)
    assert (reply.kind, reply.usage.attempts) == (FailureKind.CONNECTION, 2)
    assert reply.usage.cost_usd == 0
