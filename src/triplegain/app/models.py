"""From configuration and environment to models that can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field

from triplegain.agents.conflict import CONFLICT
from triplegain.agents.decision import DECISION
from triplegain.agents.rebalance import REBALANCE
from triplegain.agents.registry import AGENTS
from triplegain.agents.spec import Subject
from triplegain.config import Config
from triplegain.decision.settings import ModelAssignment
from triplegain.domain import ids
from triplegain.domain.clock import DAY_NS, Clock
from triplegain.domain.outside import secrets_of
from triplegain.llm.attempt import Spending
from triplegain.llm.client import FailOver, ModelClient
from triplegain.llm.local.installation import LOCAL_TINY
from triplegain.llm.ollama_wire import installed_models
from triplegain.llm.reply import ModelAnswer, ModelPort, ModelRequest, Prompt
from triplegain.llm.roster import OLLAMA, ModelsError, Plan, Roster, keys_of, only_these
from triplegain.llm.settings import ModelOptions
from triplegain.llm.spec import ModelSpec, Provider

#: Under this name the models that resolve conflicts are asked: the first, and those who stand in for it.
RESOLVERS = "resolvers"
#: What a session trades and reads about by default, for what a day may cost.
SYMBOLS, ASSETS = 3, 2
#: A tape, or whatever else belongs between the session and the models; it is told the models by name.
Through = Callable[[ModelPort, Mapping[str, ModelSpec]], ModelPort]


@dataclass(frozen=True, slots=True)
class BuiltModels:
    """`port` answers for every model of `roster` and for RESOLVERS; call `aclose` at the end, in the same loop."""

    port: ModelPort
    roster: Roster
    assigned: ModelAssignment
    banner: tuple[str, ...]
    aclose: Callable[[], Awaitable[None]]


async def build_models(
    config: Config,
    environ: Mapping[str, str],
    spending: Spending,
    clock: Clock,
    words: str,
    *,
    local: ModelSpec | None = None,
    through: Through | None = None,
    taped: frozenset[str] | None = None,
    symbols: int = SYMBOLS,
    assets: int = ASSETS,
) -> BuiltModels:
    """The models that `--llm words` means, ready: what is slow to import has been imported.

    `local` is the model of a server of ours that runs. Ollama is asked for its models, and of them only those are
    asked for votes that somebody has named.
    `taped` names the models of a tape that `through` replays: they take part without keys and are not asked.
    `symbols` and `assets` are how many the session trades and reads about, for the banner. Raises ModelsError if a
    named model is not there.
    """
    if taped is None:
        roster = await read_roster(config, environ, words, local)
    else:
        roster = taped_roster(config, words, taped)
    specs = {spec.name: spec for spec in roster.present}
    client = ModelClient(specs.values(), keys_of(environ), spending, clock, config.llm.client, secrets_of(environ))
    if taped is None:
        await client.warm_up()
    port: ModelPort = client if through is None else through(client, specs)
    resolvers = [specs[name] for name in roster.roles[CONFLICT.name]]
    if resolvers:
        port = FailOver(port, RESOLVERS, resolvers)
    banner = roster.banner(calls_per_day(config, symbols, assets))
    if taped is not None and roster.present:
        banner[-1] = "Their answers are on the tape: nobody is asked, and nothing is spent."
    return BuiltModels(port, roster, assigned_models(roster), tuple(banner), client.aclose)


async def read_roster(config: Config, environ: Mapping[str, str], words: str, local: ModelSpec | None = None) -> Roster:
    """Who would take part. Raises ModelsError if a named model is not there."""
    only = only_these(words)
    specs = model_specs(config) + _named_here(config, only or ()) + ((local,) if local else ())
    asked = {spec.address for spec in specs if spec.provider is Provider.OLLAMA and (only is None or spec.name in only)}
    if only is None:
        # Whoever listens there is told of, and not asked.
        asked.add(Provider.OLLAMA.address)
    addresses = sorted(asked)
    lists = await asyncio.gather(*map(installed_models, addresses))
    installed = {address: found for address, found in zip(addresses, lists, strict=True) if found is not None}
    return Roster.of(_plan(config, specs), keys_of(environ), installed, only)


def _named_here(config: Config, names: Iterable[str]) -> tuple[ModelSpec, ...]:
    """Models of Ollama on this machine that are named with `--llm` and need no configuration.

    Raises ModelsError for an id that cannot be a name, too.
    """
    found = [name for name in names if name.startswith(OLLAMA) and name not in config.llm.models]
    for name in found:
        if "/" in name or name == OLLAMA:
            raise ModelsError(f"{name} cannot be named like this: give it a name under `models` in llm.yaml")
    return tuple(_spec(config, name, name) for name in sorted(found))


def taped_roster(config: Config, words: str, taped: frozenset[str]) -> Roster:
    """Who takes part in a replay: whoever is on the tape, or is named; nobody needs a key, a server or a connection.

    Raises ModelsError for one that is not configured any more: with fewer voters the votes would count differently.
    """
    only = only_these(words)
    specs = (*model_specs(config), *_named_here(config, taped.union(only or ())), LOCAL_TINY.spec("on the tape"))
    known = [spec.name for spec in specs if spec.name in taped]
    names = (*known, *sorted(taped.difference(known))) if only is None else only
    here = [spec for spec in specs if spec.provider is Provider.OLLAMA]
    installed = {spec.address: [each.model for each in here] for spec in here}
    return Roster.of(_plan(config, specs), tuple(Provider), installed, names)


def model_specs(config: Config) -> tuple[ModelSpec, ...]:
    """The configured models, in their order."""
    return tuple(_spec(config, name, words) for name, words in config.llm.models.items())


def calls_per_day(config: Config, symbols: int = SYMBOLS, assets: int = ASSETS) -> dict[str, int]:
    """Questions of each agent in a day of the schedule, if nothing is skipped; conflicts as often as decisions."""
    tasks = config.decision.schedule.tasks
    subjects = {Subject.PAIR: symbols, Subject.ASSET: assets, Subject.PORTFOLIO: 1}
    calls = {}
    for agent in AGENTS:
        task = agent.task or DECISION.task
        assert task is not None
        calls[agent.name] = subjects[agent.subject] * (DAY_NS // tasks[task.name].interval_ns)
    if config.rebalance is None:
        calls[REBALANCE.name] = 0
    return calls


def assigned_models(roster: Roster) -> ModelAssignment:
    """The parts as a session is told them."""
    models = {role: roster.asked(role) for role in roster.roles}
    providers = {spec.name: spec.provider.value for spec in roster.present}
    if resolvers := models[CONFLICT.name]:
        providers[RESOLVERS] = providers[resolvers[0]]
        models[CONFLICT.name] = (RESOLVERS,)
    local = [spec.name for spec in roster.present if spec.provider is Provider.LOCAL]
    return ModelAssignment(models, providers, dict.fromkeys(local, LOCAL_TINY.prompt_tokens))


def _plan(config: Config, specs: tuple[ModelSpec, ...]) -> Plan:
    roles = {agent.role: config.roles[agent.name] for agent in AGENTS}
    return Plan(specs, roles, config.budget.per_day_usd, config.decision.consensus.voters)


def _spec(config: Config, name: str, words: str) -> ModelSpec:
    llm = config.llm
    provider, _, model = words.partition(":")
    options = llm.options.get(name, ModelOptions())
    usual, own = asdict(llm.answers), asdict(options)
    answers = {each: value if own[each] is None else own[each] for each, value in usual.items()}
    return ModelSpec(
        name=name,
        provider=Provider(provider),
        model=model,
        base_url=options.base_url,
        price_in=options.price_in_usd,
        price_out=options.price_out_usd,
        local=Provider(provider) is Provider.OLLAMA if options.local is None else options.local,
        **answers | asdict(llm.search) | {"temperature": float(answers["temperature"])},
    )


#: Calls of no session are put down under this name.
NO_SESSION = "no session"
_PROMPT = Prompt(
    system='Answer with one JSON object and nothing else: {"word":"pong","sum":NUMBER}, NUMBER as asked for.',
    user="How much is 2 + 3?",
)


class Pong(BaseModel):
    """What is answered."""

    word: Literal["pong"]
    sum: int = Field(ge=0, le=99)


@dataclass(frozen=True, slots=True)
class Ping:
    """How one model did. `failure` is empty if it answered; `model_id` is who the provider says answered."""

    model: str
    model_id: str
    answered: bool
    failure: str
    latency_ns: int
    tokens_in: int
    tokens_out: int
    cost_usd: Decimal
    attempts: int


async def ping(port: ModelPort, models: Iterable[str], timeout_s: float) -> list[Ping]:
    """All of them at once, each with its own budget of a decision."""
    return await asyncio.gather(*(_ping(port, model, timeout_s) for model in models))


async def _ping(port: ModelPort, model: str, timeout_s: float) -> Ping:
    request_id = f"ping-{ids.request_id()}/{model}"
    reply = await port.complete(ModelRequest(request_id, NO_SESSION, "ping", model, _PROMPT, Pong, timeout_s))
    failure = "" if isinstance(reply, ModelAnswer) else f"{reply.kind.value}: {reply.reason}"
    return Ping(
        model=model,
        model_id=reply.model_id,
        answered=not failure,
        failure=failure,
        **asdict(reply.usage),
    )
