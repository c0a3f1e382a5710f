"""What of the configuration belongs to a session, which keeps it by value, and what to the host it runs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from triplegain.config.display import config_as_dict, in_words, written_values
from triplegain.config.loader import ConfigurationError
from triplegain.config.tree import KEYS, Config, config_of
from triplegain.domain.configured import Path, put


def _paths(*keys: str) -> tuple[Path, ...]:
    return tuple(tuple(key.split(".")) for key in keys)


#: Read at each start: where things are, what may be spent, how long things are stored, whether anything starts at all.
_HOST = _paths(
    "api", "database", "operation", "execution.trading_mode", "execution.paper_trading.enabled",
    "execution.paper_trading.db_table_prefix", "execution.paper_trading.persist_state", "llm.breaker", "llm.budget",
    "llm.ping_timeout_s", "llm.retry_pause_ms", "market.history", "market.kraken.answer_within_s",
    "market.kraken.queue_lines_max", "market.kraken.reconnect_after_s", "market.kraken.rest_url",
    "market.kraken.symbols_per_connection", "market.kraken.websocket_url", "market.recording",
)  # fmt: skip
#: Decided when a session is opened, for its whole life. What is set aside or under way in the hodl bag or in a
#: rebalance would be left behind by a session without it.
_OPENING = _paths(
    "agents.baseline_ema.candle_length", "execution.paper_trading.initial_balance", "hodl.enabled",
    "market.instruments", "orchestration.demo_seed", "portfolio.rebalance.enabled",
)  # fmt: skip
#: What a trader that goes by rules remembers fits these only.
_TRADERS = _paths("agents.trader", "agents.baseline_ema", "agents.buy_and_hold", "agents.equal_weight", "agents.random")
_OPTIONS, _ADDRESS = ("llm", "options"), "base_url"


def _within(path: Path, prefixes: tuple[Path, ...]) -> bool:
    return any(path[: len(prefix)] == prefix for prefix in prefixes)


@dataclass(frozen=True, slots=True)
class ChangedKey:
    """A key that a session keeps, and what stands in the files now; both as they are written."""

    path: Path
    kept: Any
    written: Any

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {in_words(self.kept)} -> {in_words(self.written)}"

    @property
    def of_the_trader(self) -> bool:
        return _within(self.path, _TRADERS)


def changes(kept: Config, current: Config) -> list[ChangedKey]:
    """The keys of a session that the files write otherwise now; not those that were decided when it was opened."""
    before, now = written_values(kept), written_values(current)
    return [
        ChangedKey(path, value, now[path])
        for path, value in before.items()
        if value != now[path] and not _within(path, _HOST + _OPENING)
    ]


def kept_config(current: Config, stored: object) -> tuple[Config, list[ChangedKey]]:
    """What the session keeps, as `config_as_dict` has stored it, on this host. Raises ConfigurationError.

    A key that was not there when it was stored has its default; one that is no more is left out. A number beyond the
    bounds of today is the nearest within them, and a change.
    """
    if not isinstance(stored, Mapping):
        raise ConfigurationError("the configuration of the session is not stored: start a new one with --reset")
    files: dict[str, Any] = {}
    beyond: dict[Path, Any] = {}
    for path, (key, _) in KEYS.items():
        if _within(path, _HOST):
            found, value = path in current.given, current.given.get(path)
        else:
            found, value = _stored(stored, path)
            if path == ("llm", "options") and found:
                value = _addressed(value, current)
            if found and (nearest := key.kind.nearest(value)) != value:
                beyond[path], value = value, nearest
        if found:
            put(files, path, value)
    config, faults = config_of(files)
    if config is None:
        said = "; ".join(f"{'.'.join(path)}: {fault.message}" for path, fault in faults)
        raise ConfigurationError(f"the stored configuration of the session cannot be used: {said}")
    now = written_values(config)
    return config, [ChangedKey(path, value, now[path]) for path, value in beyond.items()]


def _stored(tree: Any, path: Path) -> tuple[bool, Any]:
    for step in path:
        if not isinstance(tree, Mapping) or step not in tree:
            return False, None
        tree = tree[step]
    return True, tree


def _addressed(options: Mapping[str, Mapping[str, Any]], current: Config) -> dict[str, dict[str, Any]]:
    """Where a model is reached is the host's. What is not said of a model may be stored as None."""
    now: Mapping[str, Mapping[str, Any]] = current.given.get(("llm", "options"), {})
    found = {}
    for name, chosen in options.items():
        rest = {key: value for key, value in chosen.items() if key != _ADDRESS and value is not None}
        address = now.get(name, {}).get(_ADDRESS)
        found[name] = rest if address is None else {**rest, _ADDRESS: address}
    return found


def with_changes(
    settings: Mapping[str, Any], taken: Sequence[ChangedKey], kept: Config, at_ns: int, feed_position: int
) -> dict[str, Any]:
    """A session's settings once `taken` holds, from this moment of its market on, as its next configuration.

    `config` is what is in force; `configurations` says of each number since when it holds and what it changed, so
    that those before can be told by undoing.
    """
    config = config_as_dict(kept)
    for change in taken:
        put(config, change.path, change.written)
    first = {"number": 1, "market_time_ns": 0, "feed_position": 0, "changed": {}}
    numbered = [*settings.get("configurations", [first])]
    numbered.append(
        {
            "number": len(numbered) + 1,
            "market_time_ns": at_ns,
            "feed_position": feed_position,
            "changed": {".".join(change.path): [change.kept, change.written] for change in taken},
        }
    )
    return {**settings, "config": config, "configurations": numbered}
