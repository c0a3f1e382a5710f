"""The whole configuration: the settings of every room, each under the keys of the files that write it."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from triplegain.agents.baselines.choice import TraderSettings
from triplegain.agents.decision import DECISION
from triplegain.agents.registry import AGENTS
from triplegain.config.infrastructure import ApiSettings, DatabaseSettings, HistorySettings, PaperSettings
from triplegain.config.operation import LogSettings, NotificationSettings
from triplegain.decision.rebalance.plan import RebalanceSettings
from triplegain.decision.settings import DecisionSettings
from triplegain.domain.configured import WRONG, AtOddsError, Key, Part, Path, built, each, key, keys, part
from triplegain.domain.spending_limits import SpendingLimits
from triplegain.domain.values import FrozenMapping
from triplegain.domain.written import BOOLEAN, Fault, Wrong, integer, listing, text
from triplegain.exchange.settings import ExchangeSettings
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.execution.settings import DeskSettings
from triplegain.feeds.recording.settings import MEGABYTE, RecorderSettings
from triplegain.llm.settings import ModelSettings
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.risk.limits import RiskLimits
from triplegain.venues.kraken.settings import FeedSettings

#: The files, in the order in which they are told, and what each is about.
FILES = {
    "execution": "Trading mode and everything that becomes an order.",
    "risk": "Limits on a single trade and on the whole account. Percentages are of equity unless they say otherwise.",
    "market": "Which markets are watched, and how.",
    "indicators": "Indicators are computed by code, never by a model, from closed candles; periods are candles.",
    "snapshot": "What the agents are shown of a market.",
    "agents": "One section per agent.",
    "llm": "The language models, the parts they play, and what they may cost. Keys stand in the environment.",
    "hodl": "The hodl bag: a share of the realised profit above its highest level, never sold and no part of equity.",
    "orchestration": "The running of a session.",
    "portfolio": "The strategic division of the trading book.",
    "database": "PostgreSQL: our own, or a server you name.",
    "api": "The HTTP API of a running system.",
    "operation": "What the operator is told, and where.",
}


#: Who plays which part where `llm.yaml` does not say; nobody in those of further agents.
_USUAL: Mapping[str, tuple[str, ...]] = {
    "social": ("grok",),
    "news": ("gpt",),
    "decision": ("gpt", "grok", "deepseek", "sonnet", "opus"),
    "conflict": ("deepseek", "sonnet"),
    "rebalance": ("deepseek", "sonnet"),
}


def _warns_before_the_end(budget: SpendingLimits) -> None:
    if budget.warn_usd > budget.per_day_usd:
        raise AtOddsError(f"warn_usd ({budget.warn_usd}) cannot be above per_day_usd ({budget.per_day_usd})")


@dataclass(frozen=True, slots=True)
class Config:
    """Frozen and checked. A part that is switched off is None."""

    paper: PaperSettings = part(PaperSettings, "execution")
    exchange: ExchangeSettings = part(ExchangeSettings, "execution.paper_trading")
    desk: DeskSettings = part(DeskSettings, "execution")
    risk: RiskLimits = part(RiskLimits, "risk")
    market: FeedSettings = part(FeedSettings, "market")
    record_sessions: bool = key(
        "market.recording.sessions", False, BOOLEAN, "true: every live session records what it sees"
    )
    recording: RecorderSettings = part(RecorderSettings, "market.recording")
    decoded_bytes_max: int = key(
        "market.captures.decoded_mb_max",
        4096,
        integer(MEGABYTE, ge=0),
        "recorded markets that were decoded once, in TRIPLEGAIN_HOME/decoded; those longest unused go first; 0: none",
    )
    history: HistorySettings = part(HistorySettings, "market.history")
    indicators: IndicatorSettings = part(IndicatorSettings, "indicators")
    snapshot: SnapshotSettings = part(SnapshotSettings, "snapshot")
    traders: TraderSettings = part(TraderSettings, "agents")
    llm: ModelSettings = part(ModelSettings, "llm")
    roles: Mapping[str, tuple[str, ...]] = each(
        "llm.roles",
        {agent.name: Key("", _USUAL.get(agent.name, ()), listing(text()), agent.about) for agent in AGENTS},
    )
    budget: SpendingLimits = part(SpendingLimits, "llm.budget", check=_warns_before_the_end)
    hodl: HodlSettings | None = part(
        HodlSettings, "hodl", switch=Key("enabled", True, BOOLEAN, "false: nothing is set aside")
    )
    decision: DecisionSettings = part(DecisionSettings, "orchestration")
    rebalance: RebalanceSettings | None = part(
        RebalanceSettings,
        "portfolio.rebalance",
        switch=Key(
            "enabled",
            False,
            BOOLEAN,
            "true: the first check of a session with 10 000 USDT buys coins for two thirds of it",
        ),
    )
    database: DatabaseSettings = part(DatabaseSettings, "database")
    api: ApiSettings = part(ApiSettings, "api")
    log: LogSettings = part(LogSettings, "operation.log")
    notifications: NotificationSettings = part(NotificationSettings, "operation.notifications")
    #: What was written, checked, by the path of its key; every other key has its default.
    given: Mapping[Path, Any] = field(default=FrozenMapping({}), compare=False, repr=False)

    def __post_init__(self) -> None:
        for role, names in self.roles.items():
            if len(set(names)) != len(names):
                raise AtOddsError(f"a model is named twice in {role}", "/llm.roles")
        named, most = len(self.roles[DECISION.name]), self.decision.consensus.voters
        if named > most:
            raise AtOddsError(
                f"llm.roles.decision names {named} models, at most {most} decide: consensus.voters in agents.yaml",
                "/llm",
            )
        unknown = sorted({*itertools.chain(*self.roles.values()), *self.llm.options} - set(self.llm.models))
        if unknown:
            raise AtOddsError(f"roles and options name {', '.join(unknown)}, which models does not", "/llm")


def _in_order(found: Iterator[tuple[Path, Key, Any]]) -> dict[Path, tuple[Key, Any]]:
    """Every key once, with the default that is written for it, file by file; the keys of a section stand together."""
    specs: dict[Path, tuple[Key, Any]] = {}
    first: dict[Path, int] = {(name,): place for place, name in enumerate(FILES)}
    for path, spec, default in found:
        specs.setdefault(path, (spec, default))
        for steps in range(1, len(path) + 1):
            first.setdefault(path[:steps], len(first))
    return {
        path: specs[path]
        for path in sorted(specs, key=lambda path: [first[path[:steps]] for steps in range(1, len(path) + 1)])
    }


KEYS: Mapping[Path, tuple[Key, Any]] = _in_order(keys(Config))
SECTIONS = frozenset(path[:steps] for path in KEYS for steps in range(1, len(path)))


def config_of(files: Mapping[str, Any]) -> tuple[Config | None, list[tuple[Path, Fault]]]:
    """The configuration that the trees of these files write; None, and every fault with its place, if it is wrong."""
    values: dict[Path, Any] = {}
    faults: list[tuple[Path, Fault]] = []
    for name, tree in files.items():
        _read(tree, (name,), values, faults)
    whole = Part(Config, fixed={"given": FrozenMapping(values)})
    config = built(whole, (), values, faults)
    return (None if faults else config), faults


def _read(node: Any, path: Path, values: dict[Path, Any], faults: list[tuple[Path, Fault]]) -> None:
    if path in KEYS:
        try:
            values[path] = KEYS[path][0].kind.read(node)
        except Wrong as wrong:
            values[path] = WRONG
            faults += [((*path, *fault.path), fault) for fault in wrong.faults]
    elif path not in SECTIONS:
        meant = _nearest(path)
        hint = f"; did you mean {meant}?" if meant else ", and none is like it"
        faults.append((path, Fault(f"unknown key{hint}")))
    elif isinstance(node, Mapping):
        for name, below in node.items():
            _read(below, (*path, str(name)), values, faults)
    elif node is not None:
        faults.append((path, Fault("a section has keys of its own, this is a single value")))


def _nearest(unknown: Path) -> str | None:
    """The valid key closest to `unknown`: first in its own section, then anywhere in the file; None if none is."""
    file, above = unknown[0], unknown[:-1]
    siblings = {path[len(above)] for path in KEYS if path[: len(above)] == above}
    if close := difflib.get_close_matches(unknown[-1], sorted(siblings), n=1):
        return ".".join((*above[1:], close[0]))
    by_name = {path[-1]: ".".join(path[1:]) for path in KEYS if path[0] == file}
    close = difflib.get_close_matches(unknown[-1], by_name, n=1)
    return by_name[close[0]] if close else None
