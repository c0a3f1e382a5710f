"""The next model when one fails; and a name for several of them."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from tests.llm.asked import GOOD, ask

from triplegain.llm.client import FailOver
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, ModelReply, ModelRequest, Usage
from triplegain.llm.spec import ModelSpec, Provider

DEEPSEEK = ModelSpec("deepseek", Provider.DEEPSEEK, "d")
SONNET, OPUS = ModelSpec("sonnet", Provider.ANTHROPIC, "s"), ModelSpec("opus", Provider.ANTHROPIC, "o")
PAID = Usage(latency_ns=10, tokens_in=2, tokens_out=1, cost_usd=Decimal("0.01"), attempts=1)


class Scripted:
    """Answers if it is one of `able`; `slow` ones take until they are given up."""

    def __init__(self, *able: str, slow: str = "") -> None:
        self.able, self.slow = able, slow
        self.asked: list[tuple[str, float]] = []

    async def complete(self, request: ModelRequest) -> ModelReply:
        self.asked.append((request.model, request.timeout_s))
        if request.model == self.slow:
            await asyncio.sleep(request.timeout_s)
        if request.model in self.able:
            return ModelAnswer(GOOD, request.model, PAID)
        return ModelFailure(FailureKind.SERVER_ERROR, "out of order", PAID)


async def test_the_first_that_answers_answers() -> None:
    port = Scripted("deepseek", "sonnet")
    reply = await FailOver(port, "resolvers", [DEEPSEEK, SONNET]).complete(ask("resolvers"))
    assert isinstance(reply, ModelAnswer)
    assert (reply.model_id, [name for name, _ in port.asked]) == ("deepseek", ["deepseek"])


async def test_one_of_another_provider_stands_in_and_both_are_paid_for() -> None:
    port = Scripted("opus")
    reply = await FailOver(port, "resolvers", [SONNET, OPUS, DEEPSEEK]).complete(ask("resolvers"))
    assert isinstance(reply, ModelFailure)
    assert [name for name, _ in port.asked] == ["sonnet", "deepseek"]
    assert reply.reason == "sonnet: out of order; deepseek: out of order"
    assert reply.usage == Usage(20, 4, 2, Decimal("0.02"), 2)


async def test_the_time_is_shared_so_that_one_that_hangs_leaves_some() -> None:
    port = Scripted("sonnet", slow="deepseek")
    reply = await FailOver(port, "resolvers", [DEEPSEEK, SONNET]).complete(ask("resolvers", timeout_s=0.2))
    assert isinstance(reply, ModelAnswer)
    (_, first_s), (_, second_s) = port.asked
    assert abs(first_s - 0.1) < 0.01
    assert 0 < second_s <= 0.1


async def test_nobody_to_ask_is_a_failure() -> None:
    reply = await FailOver(Scripted(), "resolvers", []).complete(ask("resolvers"))
    assert isinstance(reply, ModelFailure)
    assert reply.kind is FailureKind.UNAVAILABLE


async def test_a_name_for_several_models_leaves_the_others_alone() -> None:
    port = Scripted("sonnet", "gpt")
    both = FailOver(port, "resolvers", [DEEPSEEK, SONNET])
    await both.complete(ask("gpt"))
    await both.complete(ask("resolvers"))
    assert [name for name, _ in port.asked] == ["gpt", "deepseek", "sonnet"]
