"""What must hold of a live session, whatever happened to it: each trade once, money to the atom, same replay."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import msgspec

from triplegain.domain.errors import StoreAwayError
from triplegain.domain.exchange_events import OrderAccepted, OrderFilled, OrderRejected
from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.market import FeedState
from triplegain.domain.records import CommitBatch
from triplegain.ledger.wallet import Wallet
from triplegain.session.settings import SessionSettings
from triplegain.session.trading_session import TradingSession
from triplegain.venues.kraken.feed_line import FeedLine
from triplegain.venues.kraken.stream import KrakenStream, StreamSettings

#: Lots by price in ticks, bids and asks.
BookLevels = tuple[dict[int, int], dict[int, int]]


@dataclass(slots=True)
class TapeAudit:
    """Numbers of the trades that were told: which were told twice, and which not at all though later ones were."""

    first: int = 0
    last: int = 0
    count: int = 0
    doubled: list[int] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    #: Numbers that were declared as not to be had.
    declared: set[int] = field(default_factory=set)
    _is_missed: bool = False

    def told(self, number: int) -> None:
        self.count += 1
        if not self.first:
            self.first, self.last = number, number - 1
        if number > self.last:
            skipped = range(self.last + 1, number)
            (self.declared if self._is_missed else self.missing).update(skipped)
            self.last = number
            self._is_missed = False
        elif number in self.missing:
            self.missing.remove(number)
        elif number in self.declared:
            self.declared.remove(number)
        else:
            self.doubled.append(number)

    def status(self, state: FeedState) -> None:
        self._is_missed = self._is_missed or state is FeedState.MISSED
        if state is FeedState.MISSED:
            self.declared |= self.missing
            self.missing.clear()


@dataclass(slots=True)
class LagTable:
    """Durations in nanoseconds, counted in classes 4 % wide: as small after a day as after a second."""

    counts: Counter[int] = field(default_factory=Counter)
    most_ns: int = 0
    total: int = 0

    def add(self, lag_ns: int) -> None:
        self.total += 1
        self.most_ns = max(self.most_ns, lag_ns)
        self.counts[int(math.log2(max(lag_ns, 1)) * 16)] += 1

    def merge(self, other: LagTable) -> None:
        self.counts += other.counts
        self.most_ns = max(self.most_ns, other.most_ns)
        self.total += other.total

    def share(self, share: float) -> float:
        """Seconds that this share of them did not exceed."""
        left = self.total * share
        for number, count in sorted(self.counts.items()):
            left -= count
            if left <= 0:
                return min(2 ** ((number + 1) / 16), self.most_ns) / 1e9
        return 0.0


@dataclass(slots=True)
class Books:
    """A store in memory that keeps no rows: it adds up the ledger and hashes the fills as they are stored.

    `stall_s` is how long the next commit takes: a database that hangs. While it `is_away` no commit is stored.
    """

    sums: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    fills: int = 0
    orders: int = 0
    accepted: int = 0
    rejected: int = 0
    missed_trade_fills: int = 0
    unbalanced: list[int] = field(default_factory=list)
    out_of_order: list[int] = field(default_factory=list)
    stall_s: float = 0.0
    is_away: bool = False
    _sequence: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        if self.stall_s:
            stall_s, self.stall_s = self.stall_s, 0.0
            await asyncio.sleep(stall_s)
        if self.is_away:
            raise StoreAwayError("the database is away")
        self.take(batch)

    def take(self, batch: CommitBatch) -> None:
        for event in batch.events:
            if event.sequence <= self._sequence:
                self.out_of_order.append(event.sequence)
            self._sequence = event.sequence
            if isinstance(event, OrderFilled):
                self.fills += 1
                self.missed_trade_fills += "missed_trade" in str(event.explanation)
            self.accepted += isinstance(event, OrderAccepted)
            self.rejected += isinstance(event, OrderRejected)
            self._digest.update(json.dumps(msgspec.to_builtins(event, enc_hook=dict), separators=(",", ":")).encode())
        self.orders = self.accepted + self.rejected
        for transaction, rows in groupby(batch.entries, key=lambda entry: entry.transaction):
            by_asset: defaultdict[str, int] = defaultdict(int)
            for row in rows:
                by_asset[row.asset] += row.amount_atoms
                if row.account is LedgerAccount.WALLET:
                    self.sums[row.asset] += row.amount_atoms
            if any(by_asset.values()):
                self.unbalanced.append(transaction)

    @property
    def events_sha256(self) -> str:
        """Over every answer of the exchange, fills among them."""
        return str(self._digest.hexdigest())

    def differences(self, wallet: Wallet) -> list[str]:
        """Where the wallet is not what its entries add up to, in words."""
        wrong = [f"transaction {number} does not balance" for number in self.unbalanced]
        wrong += [f"event {number} came out of order" for number in self.out_of_order]
        for asset in wallet.assets():
            if wallet.total(asset) != self.sums[asset]:
                wrong.append(f"{asset}: the wallet has {wallet.total(asset)}, its entries say {self.sums[asset]}")
            if not 0 <= wallet.held(asset) <= wallet.total(asset):
                wrong.append(f"{asset}: {wallet.held(asset)} of {wallet.total(asset)} are held")
        return wrong


@dataclass(slots=True)
class CommandJournal:
    """Commands of a person, each with the number of messages the session had taken before it."""

    events: int = 0
    commands: list[tuple[int, str, tuple[Any, ...]]] = field(default_factory=list)
    is_kept: bool = True

    def note(self, command: str, *arguments: Any) -> None:
        if self.is_kept:
            self.commands.append((self.events, command, arguments))


def carried_out(session: TradingSession, command: str, arguments: tuple[Any, ...]) -> None:
    getattr(session if command == "alert" else session.by_hand, command)(*arguments)


def replay(
    lines: Iterable[FeedLine],
    symbols: tuple[str, ...],
    stream_settings: StreamSettings,
    settings: SessionSettings,
    journal: CommandJournal,
) -> tuple[TradingSession, Books]:
    """A second session on the same lines, with the same commands at the same places: its end, and its books."""
    stream, session, books = KrakenStream(symbols, stream_settings), TradingSession(settings), Books()
    waiting = iter([*journal.commands, (journal.events + 1, "", ())])
    due, command, arguments = next(waiting)
    taken = 0
    for line in lines:
        for event in stream.on_line(line):
            while due <= taken:
                carried_out(session, command, arguments)
                due, command, arguments = next(waiting)
            if taken == journal.events:
                break
            session.on_event(event)
            taken += 1
            if session.must_commit:
                books.take(session.take_batch(0, 0))
    while due <= taken:
        carried_out(session, command, arguments)
        due, command, arguments = next(waiting)
    session.close_run()
    books.take(session.take_batch(0, 0))
    return session, books


def book_levels(session: TradingSession, symbol: str, depth: int) -> BookLevels:
    """The session's bids and asks by price, at most `depth` of each."""
    book = session.floor.markets[symbol].book
    bids, asks = book.prices
    return (
        {price: book.displayed(0, price) for price in bids[-depth:]},
        {price: book.displayed(1, price) for price in asks[:depth]},
    )
