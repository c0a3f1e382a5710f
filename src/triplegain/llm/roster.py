"""Who takes part in a session, in which part, who does not and why, and what a day costs at most. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from triplegain.domain.errors import InvalidValueError
from triplegain.llm.reply import Tool
from triplegain.llm.spec import ModelSpec, Provider

AUTO, NOBODY = "auto", "none"
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

    @classmethod
    def of(
        cls,
        plan: Plan,
        keys: Collection[Provider],
        installed: Collection[str] | None,
        only: tuple[str, ...] | None = None,
    ) -> Roster:
        """`keys` are there, `installed` Ollama's models (None: it does not answer); `only` these (None: whoever can).

        A local server's model takes part only if it is named. Raises ModelsError if `only` names one that is not
        configured or cannot take part: whoever is named is wanted.
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
        roles = {role.name: _able(role, names, present, plan.voters) for role, names in plan.roles.items()}
        played = [
            replace(each, roles=tuple(role for role, names in roles.items() if each.spec.name in names))
            for each in availability
        ]
        return cls(tuple(played), roles, plan.per_day_usd, {role.name: role for role in plan.roles})

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

    def banner(self, calls_per_day: Mapping[str, int], prompt_tokens: int = 8000) -> list[str]:
        """Lines for the start of a session: who takes part, who does not and why, what a day costs at most."""
        names = [spec.name for spec in self.present]
        if not names:
            lines = ["No language model takes part: rules decide, and nothing is spent."]
        else:
            voters = sum(len(self.roles[role.name]) for role in self.parts.values() if role.all_play)
            lines = [f"Models: {', '.join(names)} ({voters} vote)"]
        away = [each for each in self.availability if each.why_not not in ("", _NOT_NAMED)]
        lines += [f"  without {each.spec.name}: {each.why_not}" for each in away]
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
    names = () if text == NOBODY else tuple(name for name in (word.strip() for word in text.split(",")) if name)
    if len(set(names)) != len(names) or {AUTO, NOBODY} & set(names) or (not names and text != NOBODY):
        raise ModelsError(f"--llm takes auto, none, or names of models with commas between them; this is {words!r}")
    return names


def keys_of(environ: Mapping[str, str]) -> dict[Provider, str]:
    """The keys that are set, by provider."""
    found = {}
    for provider in Provider:
        values = [environ[name].strip() for name in provider.key_variables if environ.get(name, "").strip()]
        if values:
            found[provider] = values[0]
    return found


def _why_not(
    spec: ModelSpec, keys: Collection[Provider], installed: Collection[str] | None, only: tuple[str, ...] | None
) -> str:
    if only is not None and spec.name not in only:
        return _NOT_NAMED
    match spec.provider:
        case Provider.LOCAL if only is None:
            return f"takes part only if it is named: --llm {spec.name}"
        case Provider.LOCAL:
            return "" if spec.address else "its server is not running"
        case Provider.OLLAMA if installed is None:
            return f"no Ollama answers at {spec.address}"
        case Provider.OLLAMA if not {spec.model, f"{spec.model}:latest"} & set(installed or ()):
            return f"Ollama does not have it: ollama pull {spec.model}"
        case Provider.OPENAI | Provider.ANTHROPIC | Provider.DEEPSEEK | Provider.XAI if spec.provider not in keys:
            return f"{' or '.join(spec.provider.key_variables)} is not set"
    if spec.cost_usd(1, 1) is None:
        return f"nobody knows what {spec.model} costs: set price_in_usd and price_out_usd in llm.yaml"
    return ""


def _able(role: ModelRole, wanted: tuple[str, ...], present: list[ModelSpec], voters: int) -> tuple[str, ...]:
    """Those who can, in the wanted order; a local model, once named, votes and plays what nobody else does."""
    able = {spec.name: spec for spec in present if role.tools <= spec.provider.tools}
    players = [name for name in wanted if name in able]
    local = [name for name, spec in able.items() if spec.provider is Provider.LOCAL and name not in players]
    if role.all_play or not players:
        players += local
    return tuple(players[:voters] if role.all_play else players)
