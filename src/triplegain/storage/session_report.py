"""Everything a report says about a session: queries over what is stored, all of one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.money import EXACT, divide, exact_sum
from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import BalanceRecord, CloseReason, SessionRecord
from triplegain.domain.statement import HaltPeriod, Statement, Traded, halted_for_ns, percent_of, traded_of
from triplegain.storage import rows
from triplegain.storage.database import AnyConnection, Database
from triplegain.storage.equity_history import (
    EquityHistory,
    EquityPoint,
    read_equity_history,
    read_point_before,
    read_statement,
)
from triplegain.storage.session_reader import read_halts
from triplegain.storage.session_store import session_row

_STARTED = """
SELECT min(time_ns)::bigint AS at_ns FROM paper_ledger_entries WHERE session_id = $1 AND sequence = 1
"""
_BALANCES = "SELECT * FROM paper_balances WHERE session_id = $1 ORDER BY asset"
_ORDERS = "SELECT status::text, count(*) AS n FROM paper_orders WHERE session_id = $1 GROUP BY status ORDER BY status"
_REJECTIONS = """
SELECT coalesce(code, reason, 'no reason given') AS code, count(*) AS n FROM paper_orders
WHERE session_id = $1 AND status IN ('rejected', 'error') GROUP BY 1 ORDER BY n DESC, 1
"""
_SYMBOLS = """
SELECT symbol, count(*) AS positions, count(closed_at_ns) AS closed,
       count(*) FILTER (WHERE closed_at_ns IS NOT NULL AND realised > 0) AS wins,
       count(*) FILTER (WHERE closed_at_ns IS NOT NULL AND realised < 0) AS losses,
       count(*) FILTER (WHERE closed_at_ns IS NULL AND stop IS NULL AND NOT dust) AS unprotected,
       count(*) FILTER (WHERE dust) AS dust,
       sum(realised) AS realised,
       CASE WHEN count(*) = count(realised_usd) THEN sum(realised_usd) END AS realised_usd
FROM paper_positions WHERE session_id = $1 GROUP BY symbol
"""
#: What the hodl bag buys is no trade of the account that is reported on, whose equity leaves it out.
_TRADING = "order_number NOT IN (SELECT order_number FROM paper_orders WHERE session_id = $1 AND purpose = 'hodl')"
_FILLS = f"""
SELECT symbol, count(*) AS fills, count(*) FILTER (WHERE maker) AS maker_fills, sum(notional) AS notional,
       coalesce(sum(notional) FILTER (WHERE maker), 0) AS maker_notional,
       sum(CASE fee_asset WHEN split_part(symbol, '/', 1) THEN fee * price ELSE fee END) AS fees
FROM paper_trades WHERE session_id = $1 AND {_TRADING} GROUP BY symbol
"""
#: Of trades, and for what was lent.
_FEES = f"""
SELECT asset, sum(fee) AS fee FROM (
    SELECT fee_asset AS asset, fee FROM paper_trades WHERE session_id = $1 AND {_TRADING}
    UNION ALL
    SELECT asset, amount FROM paper_ledger_entries
    WHERE session_id = $1 AND account = 'fees' AND kind IN ('opening_fee', 'rollover')) paid
GROUP BY asset ORDER BY asset
"""
#: A sum is NULL, and so unknown, as soon as one of its trades has no USD value.
_CLOSED = """
SELECT count(*) AS closed, avg(closed_at_ns - opened_at_ns)::bigint AS average_holding_ns,
       count(*) FILTER (WHERE realised > 0) AS wins, count(*) FILTER (WHERE realised < 0) AS losses,
       CASE WHEN bool_and(realised_usd IS NOT NULL) FILTER (WHERE realised > 0)
            THEN sum(realised_usd) FILTER (WHERE realised > 0) END AS won_usd,
       CASE WHEN bool_and(realised_usd IS NOT NULL) FILTER (WHERE realised < 0)
            THEN sum(realised_usd) FILTER (WHERE realised < 0) END AS lost_usd,
       coalesce(bool_and(realised_usd IS NOT NULL), false) AS comparable
FROM paper_positions WHERE session_id = $1 AND closed_at_ns IS NOT NULL
"""
_EXTREME = """
SELECT position_id, symbol, realised, realised_usd FROM paper_positions
WHERE session_id = $1 AND closed_at_ns IS NOT NULL ORDER BY realised_usd {direction}, entry_order_number LIMIT 1
"""
_CLOSE_REASONS = """
SELECT close_reason::text AS reason, count(*) AS count,
       CASE WHEN count(*) = count(realised_usd) THEN sum(realised_usd) END AS realised_usd
FROM paper_positions WHERE session_id = $1 AND close_reason IS NOT NULL AND closed_at_ns IS NOT NULL
GROUP BY close_reason ORDER BY count DESC, close_reason
"""
_SHORTFALL = f"""
SELECT quote AS asset, count(*) AS fills, count(shortfall) AS known,
       coalesce(sum(notional) FILTER (WHERE shortfall IS NOT NULL), 0) AS notional,
       coalesce(sum((shortfall ->> 'delay')::numeric), 0) AS delay,
       coalesce(sum((shortfall ->> 'spread')::numeric), 0) AS spread,
       coalesce(sum((shortfall ->> 'impact')::numeric), 0) AS impact,
       coalesce(sum((shortfall ->> 'fee')::numeric), 0) AS fee
FROM (SELECT split_part(symbol, '/', 2) AS quote, notional, nullif(explanation -> 'shortfall', 'null') AS shortfall
      FROM paper_trades WHERE session_id = $1 AND {_TRADING}) AS t
GROUP BY quote ORDER BY quote
"""
_REASONS = """
SELECT symbol, outcome, reason, count(*) AS count, max(time_ns)::bigint AS last_time_ns
FROM paper_decisions, LATERAL unnest(CASE WHEN reasons = '{}' THEN ARRAY['no reason given'] ELSE reasons END) AS reason
WHERE session_id = $1 AND outcome <> 'sent'
GROUP BY symbol, outcome, reason ORDER BY count DESC, symbol, outcome, reason LIMIT $2
"""
_DECIDERS = "SELECT agent FROM paper_decisions WHERE session_id = $1 GROUP BY agent ORDER BY count(*) DESC, agent"
_VOTERS = "SELECT DISTINCT model FROM paper_votes WHERE session_id = $1 ORDER BY model"
_SECURITY = "SELECT kind, count(*) AS n FROM security_events WHERE session_id = $1 GROUP BY kind ORDER BY kind"


class SymbolFigures(msgspec.Struct, frozen=True):
    """One pair. `realised`, `fees` and the notionals in its quote currency; realised is net of fees, open ones too."""

    symbol: str
    positions: int = 0
    closed: int = 0
    wins: int = 0
    losses: int = 0
    unprotected: int = 0
    dust: int = 0
    realised: Decimal = Decimal(0)
    realised_usd: Decimal | None = Decimal(0)
    fills: int = 0
    maker_fills: int = 0
    notional: Decimal = Decimal(0)
    maker_notional: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)

    @property
    def quote(self) -> str:
        return self.symbol.partition("/")[2]

    @property
    def maker_percent(self) -> Decimal | None:
        """Share of the notional that was filled as maker; None without a fill."""
        return percent_of(self.maker_notional, self.notional)


class TradeResult(msgspec.Struct, frozen=True):
    """One closed position, net of fees."""

    position_id: str
    symbol: str
    realised: Decimal
    realised_usd: Decimal | None


class TradeFigures(msgspec.Struct, frozen=True):
    """Closed positions. Amounts in USD, None where one of them had no USD price; break-even is no win and no loss."""

    closed: int
    wins: int
    losses: int
    won_usd: Decimal | None
    lost_usd: Decimal | None
    best: TradeResult | None
    worst: TradeResult | None
    average_holding_ns: int | None

    @property
    def win_rate_percent(self) -> Decimal | None:
        """Of the trades won or lost; None before the first."""
        return percent_of(Decimal(self.wins), Decimal(self.wins + self.losses))

    @property
    def average_win_usd(self) -> Decimal | None:
        return None if self.won_usd is None else divide(self.won_usd, Decimal(self.wins))

    @property
    def average_loss_usd(self) -> Decimal | None:
        return None if self.lost_usd is None else divide(self.lost_usd, Decimal(self.losses))


class Shortfall(msgspec.Struct, frozen=True):
    """Implementation shortfall of the fills quoted in `asset`: what trading cost against the middle at the decision.

    Over `known` of the `fills`; the rest had no quotes to compare with. A part below zero is a gain.
    """

    asset: str
    fills: int
    known: int
    notional: Decimal
    delay: Decimal
    spread: Decimal
    impact: Decimal
    fee: Decimal

    @property
    def total(self) -> Decimal | None:
        """None where no fill could be compared."""
        return exact_sum((self.delay, self.spread, self.impact, self.fee)) if self.known else None

    @property
    def basis_points(self) -> Decimal | None:
        """Of the notional that could be compared."""
        total = self.total
        return divide(total * 10_000, self.notional) if total is not None and self.notional else None


class CloseReasonFigures(msgspec.Struct, frozen=True):
    reason: CloseReason
    count: int
    realised_usd: Decimal | None


class UntradedReason(msgspec.Struct, frozen=True):
    """How often `reason` kept `symbol` from being traded. A decision with two reasons counts under both."""

    symbol: str
    outcome: str
    reason: str
    count: int
    last_time_ns: int


@dataclass(frozen=True, slots=True)
class SessionReport:
    """`started_at_ns` is the market's first message; None before it. `halted` is the reason, empty while trading.

    `halts` are all there were; `before_halt` is the last known equity before the one that holds now.
    """

    session: SessionRecord
    traded: Traded
    started_at_ns: int | None
    paused: bool
    halted: str
    halts: tuple[HaltPeriod, ...]
    before_halt: EquityPoint | None
    equity: EquityHistory
    balances: tuple[BalanceRecord, ...]
    trades: TradeFigures
    symbols: tuple[SymbolFigures, ...]
    fees: Mapping[str, Decimal]
    orders: Mapping[OrderStatus, int]
    rejections: Mapping[str, int]
    shortfall: tuple[Shortfall, ...]
    close_reasons: tuple[CloseReasonFigures, ...]
    untraded: tuple[UntradedReason, ...]
    security_events: Mapping[str, int]

    @property
    def synthetic(self) -> bool:
        """Whether no real market stood behind the session."""
        return self.session.feed.partition(":")[0] == "demo"

    @property
    def halted_ns(self) -> int:
        """Market time in which nothing new could be opened."""
        return halted_for_ns(self.halts, self.session.market_time_ns)

    @property
    def realised_usd(self) -> Decimal | None:
        parts = [figures.realised_usd for figures in self.symbols]
        known = [part for part in parts if part is not None]
        return exact_sum(known) if len(known) == len(parts) else None

    @property
    def realised(self) -> Mapping[str, Decimal]:
        """By quote currency, net of fees."""
        sums: dict[str, Decimal] = {}
        for figures in self.symbols:
            sums[figures.quote] = EXACT.add(sums.get(figures.quote, Decimal(0)), figures.realised)
        return sums

    @property
    def fills(self) -> int:
        return sum(figures.fills for figures in self.symbols)

    @property
    def maker_fills(self) -> int:
        return sum(figures.maker_fills for figures in self.symbols)


@dataclass(frozen=True, slots=True)
class SessionResult:
    """One session in a list: who traded, and what came of it."""

    session: SessionRecord
    traded: Traded
    statement: Statement


async def read_report(
    database: Database, session_id: str, *, points_max: int = 120, reasons_max: int = 500
) -> SessionReport:
    """The whole report as of one moment, whoever writes meanwhile. Raises SessionNotFoundError."""
    async with database.transaction("reading the report", snapshot=True) as connection:
        row = await session_row(connection, session_id)
        record, state = rows.read(SessionRecord, row), row["standing"]
        halts = await read_halts(connection, session_id)
        if failed := str(state.get("halted", "")):
            # Nothing has happened since its last step.
            halts = (*halts, HaltPeriod("session", failed, record.market_time_ns, None))
        holding = [each for each in halts if each.holds(record.market_time_ns)]
        return SessionReport(
            session=record,
            traded=await _traded(connection, record),
            started_at_ns=await connection.fetchval(_STARTED, session_id),
            paused=bool(state.get("paused", False)),
            halted="; ".join(each.reason for each in holding),
            halts=halts,
            before_halt=await read_point_before(connection, session_id, holding[0].began_at_ns) if holding else None,
            equity=await read_equity_history(connection, record, points_max),
            balances=rows.read_all(BalanceRecord, await connection.fetch(_BALANCES, session_id)),
            trades=await _trades(connection, session_id),
            symbols=await _symbols(connection, session_id),
            fees=dict(await connection.fetch(_FEES, session_id)),
            orders={OrderStatus(status): count for status, count in await connection.fetch(_ORDERS, session_id)},
            rejections=dict(await connection.fetch(_REJECTIONS, session_id)),
            shortfall=rows.read_all(Shortfall, await connection.fetch(_SHORTFALL, session_id)),
            close_reasons=rows.read_all(CloseReasonFigures, await connection.fetch(_CLOSE_REASONS, session_id)),
            untraded=rows.read_all(UntradedReason, await connection.fetch(_REASONS, session_id, reasons_max)),
            security_events=dict(await connection.fetch(_SECURITY, session_id)),
        )


async def read_results(database: Database, sessions: Sequence[SessionRecord]) -> list[SessionResult]:
    """Who traded in each, and what came of it, as of one moment."""
    async with database.transaction("reading the results", snapshot=True) as connection:
        return [
            SessionResult(each, await _traded(connection, each), await read_statement(connection, each))
            for each in sessions
        ]


async def _traded(connection: AnyConnection, record: SessionRecord) -> Traded:
    """By its decisions; before the first of them, by its configuration."""
    deciders = [row["agent"] for row in await connection.fetch(_DECIDERS, record.session_id)]
    voters = [row["model"] for row in await connection.fetch(_VOTERS, record.session_id)]
    return traded_of(record, deciders, voters)


async def _trades(connection: AnyConnection, session_id: str) -> TradeFigures:
    row = await connection.fetchrow(_CLOSED, session_id)
    best = worst = None
    if row["comparable"]:
        best = await connection.fetchrow(_EXTREME.format(direction="DESC"), session_id)
        worst = await connection.fetchrow(_EXTREME.format(direction="ASC"), session_id)
    return rows.read(TradeFigures, {**row, "best": best and {**best}, "worst": worst and {**worst}})


async def _symbols(connection: AnyConnection, session_id: str) -> tuple[SymbolFigures, ...]:
    """Every pair that was traded, by name."""
    found: dict[str, dict[str, Any]] = {}
    for query in (_SYMBOLS, _FILLS):
        for row in await connection.fetch(query, session_id):
            found.setdefault(row["symbol"], {}).update(row)
    return rows.read_all(SymbolFigures, [found[symbol] for symbol in sorted(found)])
