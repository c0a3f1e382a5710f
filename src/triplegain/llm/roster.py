"""Who takes part in a session, in which part, who does not and why, and what a day costs at most. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from triplegain.domain.errors import InvalidValueError
from triplegain.llm.reply import Tool
from triplegain.llm.spec import ModelSpec, Provider

AUTO, NOBODY = "auto", "none"
#: A model of Ollama on this machine is named like this, without any configuration.
OLLAMA = "ollama:"
#: Models of a server that are told.
_TOLD_MAX = 5
_NOT_NAMED = "not named with --llm"
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class ModelRole:
    """A part models play. `tools` is what it cannot be played without.

    `all_play`: each of its models is asked; else the first that can, and the others may stand in for it.
    """

    name: str
    tools: frozenset[Tool] = frozenset()
    all_play: bool = False


class ModelsError(InvalidValueError):
    """What was asked for with `--llm` cannot be had; the words say why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The configuration: `roles` name models in the order of preference; at most `voters` are asked all together."""

    specs: tuple[ModelSpec, ...]
    roles: Mapping[ModelRole, tuple[str, ...]]
    per_day_usd: Decimal
    voters: int


@dataclass(frozen=True, slots=True)
class Availability:
    """One configured model. `why_not` is empty if it takes part."""

    spec: ModelSpec
    why_not: str
    roles: tuple[str, ...] = ()

    @property
    def takes_part(self) -> bool:
        return not self.why_not


@dataclass(frozen=True, slots=True)
class Roster:
    """`roles` holds, by name, those who play a part: all voters, else the first and those who stand in for it."""

    availability: tuple[Availability, ...]
    roles: Mapping[str, tuple[str, ...]]
    per_day_usd: Decimal
    parts: Mapping[str, ModelRole]
    #: Models of Ollama, by address, that nobody has named: they are there and are not asked.
    unnamed: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(
        cls,
        plan: Plan,
        keys: Collection[Provider],
        installed: Mapping[str, Collection[str]],
        only: tuple[str, ...] | None = None,
    ) -> Roster:
        """`keys` are there, `installed` Ollama's models by address, if one answers; `only` these (None: all who can).

        A model of this machine takes part only by name: in the configuration, or with `--llm`. Raises ModelsError if
        `only` names one that is not configured or cannot take part: whoever is named is wanted.
        """
        known = {spec.name: spec for spec in plan.specs}
        unknown = [name for name in only or () if name not in known]
        if unknown:
            raise ModelsError(f"no model is called {', '.join(unknown)}; there are {', '.join(known) or 'none'}")
        availability = [Availability(spec, _why_not(spec, keys, installed, only)) for spec in plan.specs]
        missing = [
            f"{each.spec.name}: {each.why_not}"
            for each in availability
            if each.why_not and each.spec.name in (only or ())
        ]
        if missing:
            raise ModelsError(f"cannot take part: {'; '.join(missing)}")
        present = [each.spec for each in availability if each.takes_part]
        assigned = {name for names in plan.roles.values() for name in names}
        roles = {role.name: _able(role, names, present, plan.voters, assigned) for role, names in plan.roles.items()}
        played = [
            replace(each, roles=tuple(role for role, names in roles.items() if each.spec.name in names))
            for each in availability
        ]
        parts = {role.name: role for role in plan.roles}
        unnamed = _unnamed(plan.specs, installed) if only is None else {}
        return cls(tuple(played), roles, plan.per_day_usd, parts, unnamed)

    @property
    def present(self) -> tuple[ModelSpec, ...]:
        return tuple(each.spec for each in self.availability if each.takes_part)

    def asked(self, role: str) -> tuple[str, ...]:
        """Who is asked: everybody of the part, or the first."""
        return self.roles[role] if self.parts[role].all_play else self.roles[role][:1]

    def day_usd(self, calls_per_day: Mapping[str, int], prompt_tokens: int = 8000) -> Decimal:
        """What so many questions of each part cost if every answer is as long as it may be; the budget aside."""
        total = _ZERO
        by_name = {spec.name: spec for spec in self.present}
        for role, calls in calls_per_day.items():
            for spec in (by_name[name] for name in self.asked(role)):
                searches = spec.searches_max if self.parts[role].tools else 0
                tokens_in = prompt_tokens + searches * spec.search_tokens
                total += calls * (spec.cost_usd(tokens_in, spec.max_output_tokens, searches) or _ZERO)
        return total

    @property
    def invitations(self) -> list[str]:
        """A line for each server whose models nobody has named: what it has, and what to write to be advised by one."""
        lines = []
        for address, models in self.unnamed.items():
            more = f" and {len(models) - _TOLD_MAX} more" if len(models) > _TOLD_MAX else ""
            name = f"{OLLAMA}{models[0]}"
            can_be_named = address == Provider.OLLAMA.address and "/" not in name
            how = f"--llm {name}" if can_be_named else f"mine: {name} under models in llm.yaml"
            told = ", ".join(models[:_TOLD_MAX])
            lines.append(f"  Ollama at {address} has {told}{more}: asked only by name: {how}")
        return lines

    def banner(self, calls_per_day: Mapping[str, int], prompt_tokens: int = 8000) -> list[str]:
        """Lines for the start of a session: who takes part and where from, who does not and why, how to name who is
        there, what a day costs at most."""
        names = [spec.name for spec in self.present]
        if not names:
            lines = ["No language model takes part: rules decide, and nothing is spent."]
        else:
            voters = {name for role in self.parts.values() if role.all_play for name in self.roles[role.name]}
            lines = [f"Models: {', '.join(names)} ({len(voters)} vote)"]
            lines += [f"  vote of {spec.name}: {spec.whereabouts}" for spec in self.present if spec.name in voters]
        away = [each for each in self.availability if each.why_not not in ("", _NOT_NAMED)]
        lines += [f"  without {each.spec.name}: {each.why_not}" for each in away]
        lines += self.invitations
        if names:
            uncapped = self.day_usd(calls_per_day, prompt_tokens)
            most = min(uncapped, self.per_day_usd)
            why = f" (the budget; without it up to {uncapped:.2f})" if uncapped > self.per_day_usd else ""
            lines.append(f"A day costs at most {most:.2f} USD{why}.")
        return lines


def only_these(words: str) -> tuple[str, ...] | None:
    """`--llm`: `auto` (None), `none`, or names with commas. Raises ModelsError for a name that stands there twice."""
    text = words.strip().casefold()
    if text == AUTO:
        return None
    names = () if text == NOBODY else tuple(_name(word.strip()) for word in words.split(",") if word.strip())
    if len(set(names)) != len(names) or {AUTO, NOBODY} & set(names) or (not names and text != NOBODY):
        raise ModelsError(
            "--llm takes auto, none, or names of models with commas between them "
            f"(ollama:MODEL for one of Ollama's); this is {words!r}"
        )
    return names


def _name(word: str) -> str:
    """As the configuration writes it; what stands behind `ollama:` is Ollama's own."""
    return OLLAMA + word[len(OLLAMA) :] if word.casefold().startswith(OLLAMA) else word.casefold()


def keys_of(environ: Mapping[str, str]) -> dict[Provider, str]:
    """The keys that are set, by provider."""
    found = {}
    for provider in Provider:
        values = [environ[name].strip() for name in provider.key_variables if environ.get(name, "").strip()]
        if values:
            found[provider] = values[0]
    return found


def _why_not(
    spec: ModelSpec, keys: Collection[Provider], installed: Mapping[str, Collection[str]], only: tuple[str, ...] | None
) -> str:
    if only is not None and spec.name not in only:
        return _NOT_NAMED
    match spec.provider:
        case Provider.LOCAL if only is None:
            return f"takes part only if it is named: --llm {spec.name}"
        case Provider.LOCAL:
            return "" if spec.address else "its server is not running"
        case Provider.OLLAMA if spec.address not in installed:
            return f"no Ollama answers at {spec.address}"
        case Provider.OLLAMA if not _names(spec) & set(installed[spec.address]):
            return f"Ollama does not have it: ollama pull {spec.model}"
        case Provider.OPENAI | Provider.ANTHROPIC | Provider.DEEPSEEK | Provider.XAI if spec.provider not in keys:
            return f"{' or '.join(spec.provider.key_variables)} is not set"
    if spec.cost_usd(1, 1) is None:
        return f"nobody knows what {spec.model} costs: set price_in_usd and price_out_usd in llm.yaml"
    return ""


def _names(spec: ModelSpec) -> set[str]:
    """As which Ollama lists it."""
    return {spec.model, f"{spec.model}:latest"}


def _unnamed(specs: tuple[ModelSpec, ...], installed: Mapping[str, Collection[str]]) -> dict[str, tuple[str, ...]]:
    named = {(spec.address, name) for spec in specs if spec.provider is Provider.OLLAMA for name in _names(spec)}
    found = {
        address: tuple(sorted(model for model in models if (address, model) not in named))
        for address, models in installed.items()
    }
    return {address: models for address, models in found.items() if models}


def _able(
    role: ModelRole, wanted: tuple[str, ...], present: list[ModelSpec], voters: int, assigned: Collection[str]
) -> tuple[str, ...]:
    """Those who can, in the wanted order; a model of this machine that is `assigned` no part, once named, votes and
    plays what nobody else does."""
    able = {spec.name: spec for spec in present if role.tools <= spec.provider.tools}
    players = [name for name in wanted if name in able]
    here = (Provider.LOCAL, Provider.OLLAMA)
    local = [name for name, spec in able.items() if spec.provider in here and name not in (*players, *assigned)]
    if role.all_play or not players:
        players += local
    return tuple(players[:voters] if role.all_play else players)
