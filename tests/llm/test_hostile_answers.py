"""Answers that were made to hurt: each is a failure or a vote, stored and settled, and nothing of it is wild."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.llm.asked import GOOD_TEXT, SECRETS, ask, client_of, spec_of
from tests.llm.fake_provider import FakeProvider

from triplegain.llm.ollama_wire import installed_models
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure
from triplegain.llm.response import OversizedResponseError, PackedResponseError, check_headers, check_values
from triplegain.llm.spec import Provider

WIRES = [Provider.OPENAI, Provider.ANTHROPIC, Provider.OLLAMA]
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202edrowssap\x00"
SECRET = SECRETS[Provider.OPENAI]


class Speaker(FakeProvider):
    """`change` is made to each good answer before it is sent; `encoding` is what it claims to be packed with."""

    change: Any = None
    encoding = ""

    def _spoken(self, path: str, body: dict[str, Any], text: str, fault: Any) -> web.Response:
        told = super()._spoken(path, body, text, fault)
        if self.change is not None:
            told = web.json_response(self.change(json.loads(told.text or "")))
        if self.encoding:
            assert isinstance(told.body, bytes)
            told = web.Response(body=gzip.compress(told.body), headers={"content-encoding": self.encoding})
        return told


@contextmanager
def changed(fake: Speaker, **figures: Any) -> Iterator[None]:
    """Figures of its usage, and the name of its model."""

    def change(told: dict[str, Any]) -> dict[str, Any]:
        usage = told.get("usage", told)
        for name in ("prompt_tokens", "input_tokens", "prompt_eval_count"):
            if name in usage:
                usage[name] = figures.get("tokens_in", usage[name])
        for name in ("completion_tokens", "output_tokens", "eval_count"):
            if name in usage:
                usage[name] = figures.get("tokens_out", usage[name])
        return told | ({"model": figures["model"]} if "model" in figures else {})

    fake.change = change
    yield


@pytest.mark.parametrize("provider", WIRES)
@pytest.mark.parametrize(
    ("tokens_in", "tokens_out"), [(-10, -7), (4 * 10**18, 5), (10**19, 10**19), (9000, 5), (5, 9000)]
)
async def test_a_claim_that_the_question_cannot_have_led_to_costs_the_reservation(
    provider: Provider, tokens_in: int, tokens_out: int
) -> None:
    fake = Speaker(GOOD_TEXT)
    with changed(fake, tokens_in=tokens_in, tokens_out=tokens_out):
        async with fake, client_of(spec_of(provider, fake)) as (client, spending):
            reply = await client.complete(ask(provider.value))
    assert isinstance(reply, ModelAnswer | ModelFailure)
    assert spending.calls
    for call in spending.calls:
        assert call.status != "under way"
        assert call.cost_usd == call.reserved_usd
        assert 0 <= call.tokens_in <= 4000 and 0 <= call.tokens_out <= 1024


@pytest.mark.parametrize("provider", WIRES)
@pytest.mark.parametrize("encoding", ["gzip", "GZIP, gzip", "deflate", "br", "zstd", "x-unknown"])
async def test_a_packed_answer_is_not_unpacked(provider: Provider, encoding: str) -> None:
    fake = Speaker(GOOD_TEXT)
    fake.encoding = encoding
    async with fake, client_of(spec_of(provider, fake)) as (client, spending):
        reply = await client.complete(ask(provider.value))
    assert isinstance(reply, ModelFailure) and reply.kind is FailureKind.SERVER_ERROR
    assert "packs what nobody asked it to" in reply.reason
    assert all(call.cost_usd == call.reserved_usd for call in spending.calls)


@pytest.mark.parametrize("provider", WIRES)
async def test_a_key_in_the_name_of_the_model_is_masked_and_the_name_is_cut(provider: Provider) -> None:
    fake = Speaker(GOOD_TEXT)
    secret = SECRETS[provider]
    with changed(fake, model=f"{HOSTILE}{secret}{secret[3:12]}" + "M" * 900_000):
        async with fake, client_of(spec_of(provider, fake)) as (client, spending):
            reply = await client.complete(ask(provider.value))
    assert isinstance(reply, ModelAnswer)
    assert reply.model_id.isprintable() and len(reply.model_id) <= 201
    told = reply.model_id + spending.calls[-1].model_id
    assert not any(secret[at : at + 8] in told for at in range(len(secret) - 7))


async def test_words_of_a_vote_are_tame() -> None:
    wild = json.dumps({**json.loads(GOOD_TEXT), "reasoning": f"{HOSTILE}\nbecause"})
    async with FakeProvider(wild) as fake, client_of(spec_of(Provider.OPENAI, fake)) as (client, _):
        reply = await client.complete(ask("openai"))
    assert isinstance(reply, ModelAnswer)
    assert reply.value["reasoning"].endswith("\nbecause")
    assert reply.value["reasoning"].replace("\n", "").isprintable()


async def test_a_list_of_models_has_names_that_are_names() -> None:
    names = ("qwen3:8b", f"{HOSTILE}", "; rm -rf /", "$(reboot)", "a" * 200, "hf.co/x/y:Q4")
    async with FakeProvider(installed=names) as fake:
        assert await installed_models(fake.url) == frozenset({"qwen3:8b", "hf.co/x/y:Q4"})


@pytest.mark.parametrize("body", [b"{},", b"[],", b"1,", b'{"a":1},'])
def test_many_values_are_counted_outside_of_texts_only(body: bytes) -> None:
    with pytest.raises(OversizedResponseError):
        check_values(b"[" + body * 5_000 + b"1]")
    check_values(b'["' + body.replace(b'"', b'\\"') * 5_000 + b'"]')
    check_values(b'["' + b'\\"' * 400_000)
    check_values(b'["' + b"\\")


def test_an_encoding_that_is_none_is_none() -> None:
    check_headers({})
    check_headers({"content-encoding": "identity"})
    with pytest.raises(PackedResponseError) as refused:
        check_headers({"content-encoding": f"gzip{HOSTILE}"})
    assert str(refused.value).isprintable()
