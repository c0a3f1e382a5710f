"""What has happened since the last commit, and the snapshots of equity and positions taken on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from triplegain.decision.record import RecordLog
from triplegain.decision.situation import SessionPrices
from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.parts import FORM, PartChange
from triplegain.domain.records import BalanceRecord, CommitBatch, PortfolioSnapshot, PositionSnapshot, SecurityEvent
from triplegain.execution.paper_executor import PaperOrderExecutor
from triplegain.ledger.wallet import Wallet

#: Snapshots and decisions that may wait for a commit; they happen again, identically, if they are lost.
_WAITING_MAX = 256


class RecordState(msgspec.Struct, frozen=True):
    """When the next snapshot is due, and the last number of each kind that is numbered here."""

    snapshot_due_ns: int
    numbers: dict[str, int]


@dataclass(eq=False)
class StepRecord:
    """Collects one `CommitBatch`. Snapshots are taken at the first message of each interval of market time."""

    _wallet: Wallet
    _executor: PaperOrderExecutor
    _prices: SessionPrices
    _interval_ns: int
    snapshot_due_ns: int = field(default=0, init=False)
    security_events: list[SecurityEvent] = field(default_factory=list, init=False)
    log: RecordLog = field(default_factory=RecordLog, init=False)
    #: As the last batch left them; after a restart all are said again.
    _balances: dict[str, BalanceRecord] = field(default_factory=dict, init=False)

    @property
    def has_waiting(self) -> bool:
        return len(self.log) > 0

    @property
    def is_full(self) -> bool:
        return len(self.log) > _WAITING_MAX

    def snapshot(self, time_ns: int) -> PortfolioSnapshot:
        """Equity, balances and open positions as of now."""
        self.snapshot_due_ns = time_ns - time_ns % self._interval_ns + self._interval_ns
        summary = self._executor.portfolio.take_statement(time_ns)
        positions = self._executor.positions.records()
        taken = PortfolioSnapshot(
            number=0,
            time_ns=time_ns,
            equity=summary.equity,
            buy_and_hold=summary.buy_and_hold,
            balances=self._executor.portfolio.balances(),
            realised_usd=summary.realised_usd,
            unrealised_usd=summary.unrealised_usd,
            fees_usd=summary.fees_usd,
            open_positions=len(positions),
        )
        taken = self.log.put(taken)
        for position in positions:
            mark = self._prices.mark(position.symbol)
            unrealised = self._executor.positions.unrealised(position.position_id, mark)
            self.log.put(
                PositionSnapshot(
                    0,
                    time_ns,
                    position.position_id,
                    position.symbol,
                    position.quantity,
                    mark,
                    unrealised,
                )
            )
        return taken

    def take(
        self, feed_position: int, market_time_ns: int, recorded_at_ns: int, parts: tuple[PartChange, ...]
    ) -> CommitBatch:
        """The batch; what it holds is forgotten here."""
        step = self._executor.take_step()
        entries = tuple(self._wallet.drain_entries())
        batch = CommitBatch(
            feed_position=feed_position,
            market_time_ns=market_time_ns,
            recorded_at_ns=recorded_at_ns,
            form=FORM,
            parts=parts,
            events=step.events,
            orders=step.orders,
            fills=step.fills,
            queue_points=step.queue_points,
            entries=entries,
            balances=self._told_balances({each.asset for each in entries if each.account is LedgerAccount.WALLET}),
            positions=step.positions,
            security_events=tuple(self.security_events),
            **self.log.take(),
        )
        self.security_events.clear()
        return batch

    def _told_balances(self, moved: set[str]) -> tuple[BalanceRecord, ...]:
        """Those that have changed or whose entries cancel each other out: the store compares what has entries."""
        balances = self._executor.portfolio.balances()
        told = [each for each in balances if each.asset in moved or self._balances.get(each.asset) != each]
        self._balances.update((each.asset, each) for each in told)
        return tuple(told)

    def state(self) -> RecordState:
        return RecordState(self.snapshot_due_ns, self.log.numbers)

    def restore(self, stored: RecordState) -> None:
        self.snapshot_due_ns = stored.snapshot_due_ns
        self.log.numbers = dict(stored.numbers)
