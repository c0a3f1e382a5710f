"""What the system stands on, and what of the paper account belongs to no room: settings that nobody else owns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from urllib.parse import urlsplit

from triplegain.api.access import RequestLimits, is_loopback
from triplegain.domain.clock import HOUR_NS
from triplegain.domain.configured import AtOddsError, key, part
from triplegain.domain.written import (
    ANY_HOURS,
    AT_LEAST_ONE,
    BALANCES,
    BOOLEAN,
    COUNT,
    POSITIVE,
    SECONDS,
    Kind,
    choice,
    integer,
    listing,
    text,
)
from triplegain.execution.trading_mode import PAPER_TABLE_PREFIX, TradingMode


class Secret:
    """A text that is never shown by accident."""

    __slots__ = ("_text",)

    def __init__(self, hidden: str) -> None:
        self._text = hidden

    def get_secret_value(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('**********')" if self._text else "Secret('')"


_NOT_SHOWN = "(the value is not shown: it may hold a password)"
#: PostgreSQL takes several, with commas.
_HOST = re.compile(r"(\[[0-9A-Za-z:.%]+\]|[^:\[\]]*)(:[0-9]{1,5})?")


def _postgres(url: str) -> str:
    if url and not url.startswith(("postgresql://", "postgres://")):
        raise ValueError(f"must start with postgresql:// {_NOT_SHOWN}")
    try:
        hosts = urlsplit(url).netloc.rpartition("@")[2].split(",")
    except ValueError:
        hosts = ["["]
    if not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError(f"a host reads NAME:PORT, [ADDRESS]:PORT or neither, the port a number {_NOT_SHOWN}")
    return url


def _secret(kind: Kind) -> Kind:
    return Kind(lambda written: written if isinstance(written, Secret) else Secret(kind.read(written)))


#: A text that may hold a password.
SECRET = _secret(text())


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """PostgreSQL: our own, or a server you name."""

    url: Secret = key(
        "url", "", _secret(text().where(_postgres)),
        "a PostgreSQL server (`postgresql://…`); empty: the embedded one in TRIPLEGAIN_HOME",
        template="${TRIPLEGAIN_DATABASE_URL:-}",
    )  # fmt: skip
    fsync: bool = key("fsync", True, BOOLEAN, "false: faster, and a power cut may lose or damage everything")
    snapshot_retention_days: int = key(
        "snapshot_retention_days", 30, AT_LEAST_ONE,
        "minute snapshots are kept this long, of running sessions too; their hourly roll-up stays",
    )  # fmt: skip
    ended_session_retention_days: int = key(
        "ended_session_retention_days", 0, COUNT,
        "ended sessions older than this are removed, with all they hold; 0: never",
    )  # fmt: skip
    step_retention_days: int = key(
        "step_retention_days", 30, COUNT,
        "the hashes of single steps are kept this long, then one seal stands for all of them: what they stored "
        "stays, and stays verified; 0: for ever",
    )  # fmt: skip
    analysis_retention_days: int = key(
        "analysis_retention_days", 0, COUNT,
        "answers of analysing agents older than this are removed, of running sessions too, once their step is sealed; "
        "0: never",
    )  # fmt: skip
    housekeeping_every_ns: int = key(
        "housekeeping_every_hours", 6, ANY_HOURS,
        "hours between two rounds of housekeeping, which a running session does by itself; 0: only `tg db cleanup`",
    )  # fmt: skip
    backup_every_ns: int = key(
        "backup_every_hours", 24, integer(HOUR_NS, ge=0),
        "hours of wall time between backups while a session runs; 0: none",
    )  # fmt: skip
    backup_keep: int = key("backup_keep", 7, AT_LEAST_ONE, "so many of these are kept, the newest")
    backup_folder: str = key("backup_folder", "", text(), "where they lie; empty: TRIPLEGAIN_HOME/backups")

    @property
    def has_password(self) -> bool:
        credentials, at, _ = self.url.get_secret_value().partition("://")[2].rpartition("@")
        return bool(at) and ":" in credentials


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The HTTP API of a running system."""

    host: str = key("host", "127.0.0.1", text(), "address to listen on")
    port: int = key("port", 8733, integer(ge=1, le=65535), "port to listen on")
    allow_remote: bool = key("allow_remote", False, BOOLEAN, "true: `host` may be an address other machines can reach")
    allowed_hosts: tuple[str, ...] = key(
        "allowed_hosts", ["localhost", "127.0.0.1", "::1"], listing(text()),
        "the names, without a port, under which requests may call this machine (Host) and pages may ask (Origin); "
        "`host` is one of them",
    )  # fmt: skip
    stranger_retention_days: int = key(
        "stranger_retention_days", 30, COUNT,
        "rows that count the requests of strangers that were refused are kept this long; 0: for ever",
    )  # fmt: skip
    limits_per_minute: RequestLimits = part(RequestLimits, "limits_per_minute")

    def __post_init__(self) -> None:
        if not (self.allow_remote or is_loopback(self.host)):
            raise AtOddsError(f"host {self.host} can be reached from other machines: set allow_remote: true to mean it")


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """Stored candles and trades."""

    trade_retention_days: int = key(
        "trade_retention_days", 0, COUNT, "stored trades older than this are removed, not their candles; 0: never"
    )
    requests_per_s: Decimal = key(
        "requests_per_s", "0.5", POSITIVE, "REST requests a second while loading (Kraken allows about one)"
    )


class PriceSourceName(StrEnum):
    LIVE_FEED = "live_feed"
    HISTORICAL = "historical"
    MOCK = "mock"


def _only_the_paper_tables(prefix: str) -> str:
    if prefix != PAPER_TABLE_PREFIX:
        raise ValueError(f'the tables of paper trading are named "{PAPER_TABLE_PREFIX}…"; remove this key')
    return prefix


@dataclass(frozen=True, slots=True)
class PaperSettings:
    """The mode, and the paper account of a session."""

    trading_mode: TradingMode = key(
        "trading_mode", "paper", choice(TradingMode),
        "`live` is one of several locks and not enough alone; see trading mode",
    )  # fmt: skip
    enabled: bool = key("paper_trading.enabled", True, BOOLEAN, "false: `paper` refuses to start")
    initial_balance: Mapping[str, Decimal] = key(
        "paper_trading.initial_balance", {"USDT": 10000, "BTC": 0, "XRP": 0}, BALANCES,
        "what a new session opens with, by asset",
    )  # fmt: skip
    price_source: PriceSourceName = key(
        "paper_trading.price_source", "live_feed", choice(PriceSourceName),
        "where prices come from; mock prices never fill an order",
    )  # fmt: skip
    db_table_prefix: str = key(
        "paper_trading.db_table_prefix", PAPER_TABLE_PREFIX, text().where(_only_the_paper_tables),
        "fixed by the database: any other value is refused",
    )  # fmt: skip
    max_trade_history: int = key(
        "paper_trading.max_trade_history", 1000, AT_LEAST_ONE, "trades kept in memory; all are in the database"
    )
    persist_state: bool = key(
        "paper_trading.persist_state", True, BOOLEAN,
        "false: the next start opens a new session (everything is stored all the same)",
    )  # fmt: skip
    snapshot_interval_ns: int = key(
        "positions.snapshot_interval_s", 60, SECONDS, "seconds of market time between snapshots of equity"
    )
    quote_stale_ns: int = key(
        "/orchestration.quote_stale_s", 60, SECONDS,
        "a price without a feed behind it is fresh for so many seconds",
    )  # fmt: skip
    demo_seed: int = key("/orchestration.demo_seed", 1, COUNT, "seed of the demo market where `--seed` does not say")
