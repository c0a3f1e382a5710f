"""One trading session: market events in; orders, fills, money and decisions out, ready to be stored.

Synchronous and deterministic: the same events and commands give the same record, whether they come one at a time or
a whole capture at once. It knows no database and no clock; whoever runs it feeds it events and stores its batches.

At each step: answers and timers due before the event, the market event with its matching, commands that have arrived,
answers that have become visible, decisions, then timers.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from triplegain.agents.answer import Answer
from triplegain.agents.ema_baseline import BaselineSettings, EmaBaseline
from triplegain.coordinator.baseline_trader import NEVER, BaselineTrader
from triplegain.coordinator.cycle import ClosePositions, CycleOutcome, OpenTrade, run_cycle
from triplegain.coordinator.rounds import Round, Rounds
from triplegain.coordinator.session_rooms import open_rooms
from triplegain.coordinator.session_settings import SessionSettings
from triplegain.coordinator.visible_events import VisibleEvents
from triplegain.domain.market import Candle, FeedState, FeedStatus, MarketDepth, MarketEvent
from triplegain.domain.money import atoms
from triplegain.domain.orders import AmendRequest, OrderRequest
from triplegain.domain.records import CloseReason, CommitBatch, DecisionRecord
from triplegain.exchange.checkpoint import exchange_state, restore_exchange
from triplegain.execution.alert import Alert, AlertKind
from triplegain.execution.order_desk import Refused
from triplegain.llm.reply import ModelReply
from triplegain.market.snapshot.snapshot import NoSnapshot, Snapshot

_SHOWN = 8
_NUMBER = re.compile(r"\d+")


class TradingSession:
    """Feed it `on_event`; between events `advance_to` lets time pass. `must_commit` says when a batch is due."""

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self.now_ns = 0
        self.paused = False
        self.halted = ""
        rooms = open_rooms(settings)
        self.wallet, self.exchange, self.prices = rooms.wallet, rooms.exchange, rooms.prices
        self.portfolio, self.executor, self.desk = rooms.portfolio, rooms.executor, rooms.desk
        self.market_view, self.situation, self.record = rooms.market_view, rooms.situation, rooms.record
        self.trader = None if settings.baseline is None else self._baseline(settings.baseline)
        self._visible = VisibleEvents()
        self.rounds = Rounds()
        self._targets: dict[str, int] = {}
        self._opened = False
        self._decisions = 0
        self._last_words: dict[str, str] = {}
        self._due_ns = NEVER
        #: For whoever looks: the last decisions and alerts of this run.
        self.last_decisions: deque[DecisionRecord] = deque(maxlen=_SHOWN)
        self.last_alerts: deque[Alert] = deque(maxlen=_SHOWN)

    def _baseline(self, chosen: BaselineSettings) -> BaselineTrader:
        symbols = [instrument.symbol for instrument in self.settings.instruments]
        return BaselineTrader(
            [EmaBaseline(symbol, chosen) for symbol in symbols], self.settings.candle_ns, self._decide
        )

    # -- the market ----------------------------------------------------------------------------------------------

    def observe(self, event: MarketEvent) -> None:
        """Fast-forward: the public market only, before a stored state is restored."""
        self.exchange.on_event(event)
        self.prices.observe(event)
        self.market_view.on_event(event)

    def on_event(self, event: MarketEvent) -> None:
        """One message of the feed and everything that follows from it."""
        time_ns = event.exchange_time_ns
        if not self._opened:
            self._open(time_ns)
        if self._due_ns < time_ns:
            self._run_until(time_ns - 1)
        self.exchange.on_event(event)
        self.prices.observe(event)
        self.market_view.on_event(event)
        if isinstance(event, FeedStatus) and event.state is FeedState.MISSED:
            self._doubt(event)
        if not self.portfolio.opening.is_frozen:
            self.portfolio.observe_opening(time_ns)
        self.now_ns = self.exchange.now_ns = max(self.now_ns, time_ns)
        self._settle()
        target = self._targets.get(event.symbol)
        if target is not None:
            self._watch(event.symbol, target)
        trader = self.trader
        if trader is not None:
            if time_ns >= trader.due_ns:
                trader.advance_to(time_ns)
            trader.on_event(event)
        if self._due_ns <= time_ns:
            self._run_until(time_ns)
        if time_ns >= self.record.snapshot_due_ns:
            self.record.snapshot(time_ns)

    def begin_away(self) -> None:
        """A live session goes on after a pause: no market is in sync before its feed says so."""
        for symbol in self.exchange.markets:
            status = FeedStatus(symbol, self.now_ns, self.now_ns, FeedState.GAP, "waiting for the order book")
            self.exchange.on_event(status)
            self.prices.observe(status)

    def _doubt(self, status: FeedStatus) -> None:
        """The trades of a stretch cannot be had: whoever has orders there is told which ones they might have filled."""
        orders = [o for o in self.executor.orders.open_orders() if o.request.symbol == status.symbol]
        names = ", ".join(order.request.client_order_id for order in orders)
        words = f"in doubt, nothing was filled: {names}" if names else "no order of yours was open"
        self.last_alerts.append(
            Alert(self.now_ns, AlertKind.ORDERS_IN_DOUBT, "", status.symbol, f"{status.reason}; {words}")
        )

    def _open(self, time_ns: int) -> None:
        """The opening balances arrive with the market's first message."""
        self._opened = True
        balances = {asset: atoms(amount) for asset, amount in self.portfolio.initial_balances.items()}
        self.wallet.deposit(balances, time_ns)
        self.record.snapshot_due_ns = time_ns

    def advance_to(self, time_ns: int) -> None:
        """Market time passes without a message."""
        if self._opened and self._due_ns <= time_ns:
            self._run_until(time_ns)
        self.now_ns = max(self.now_ns, time_ns)
        self.exchange.now_ns = max(self.exchange.now_ns, self.now_ns)

    def close_run(self) -> None:
        """The run ends here: one more snapshot, so that the record's last equity is the last one seen."""
        if self._opened:
            self.record.snapshot(self.now_ns)

    def _run_until(self, time_ns: int) -> None:
        """Everything due up to `time_ns`, in order of time: the engine, answers to us, then our timers."""
        while self._due_ns <= time_ns:
            now_ns = self.now_ns = max(self.now_ns, self._due_ns)
            self.exchange.run_through(now_ns)
            self._settle()
            timer = self.desk.next_due_ns()
            if timer is not None and timer <= now_ns:
                self.desk.on_timer(now_ns)
                self._settle()

    def _settle(self) -> None:
        """Record what the exchange did, hand the desk what is visible by now, until nothing is pending."""
        while True:
            for event in self.executor.settle(self.desk.positions):
                self._visible.add(event)
            if self._visible.next_ns > self.now_ns:
                break
            while self._visible.next_ns <= self.now_ns:
                self.desk.on_event(self._visible.pop(), self.now_ns)
            self._aim()
        if self.desk.alerts:
            self.last_alerts.extend(self.desk.drain_alerts())
        timer = self.desk.next_due_ns()
        self._due_ns = min(self.exchange.next_due_ns, self._visible.next_ns, NEVER if timer is None else timer)

    def _aim(self) -> None:
        """Targets to watch, in ticks."""
        self._targets = {
            instrument.symbol: instrument.ticks(target)
            for instrument in self.settings.instruments
            if (target := self.desk.lowest_target(instrument.symbol)) is not None
        }

    def _watch(self, symbol: str, target: int) -> None:
        bid, _ = self.exchange.markets[symbol].quotes()
        if bid is not None and bid >= target:
            self._tell_quote(symbol)
            self._aim()
            self._settle()

    def _tell_quote(self, symbol: str) -> None:
        quote = self.prices.quote(symbol)
        if quote is not None:
            self.desk.on_quote(symbol, quote.bid, quote.ask, quote.last, self.now_ns)

    # -- decisions -----------------------------------------------------------------------------------------------

    def _decide(self, symbol: str, candle: Candle, answer: Answer) -> None:
        self._tell_quote(symbol)
        situation = self.situation.look(
            self._decisions + 1, self.now_ns, symbol, EmaBaseline.name, self.paused, self.halted
        )
        outcome = run_cycle(answer, situation, self.settings.limits)
        match outcome.action:
            case OpenTrade(approved):
                outcome = outcome.sent_as(self.desk.open(approved, self.now_ns).client_order_id)
            case ClosePositions(position_ids, reason):
                for position_id in position_ids:
                    self.desk.close(position_id, reason, self.now_ns)
        self._note(outcome)
        self._settle()

    def _note(self, outcome: CycleOutcome) -> None:
        """Store the decision. Holding or abstaining again for the same reason is not news."""
        decision: DecisionRecord = outcome.decision
        # A count in the reason is progress, not another reason.
        words = _NUMBER.sub("#", f"{decision.outcome}: {'; '.join(decision.reasons)}")
        if decision.outcome in ("held", "abstained") and self._last_words.get(decision.symbol) == words:
            return
        self._last_words[decision.symbol] = words
        self._decisions += 1
        self.record.decisions.append(decision)
        if decision.outcome in ("sent", "refused"):
            self.last_decisions.append(decision)

    def snapshot(self, symbol: str) -> Snapshot | NoSnapshot:
        """What agents see of one market now. Raises InvalidValueError for one this session does not watch."""
        market = self.exchange.markets.get(symbol)
        levels = market.book.best_first() if market and market.depth is MarketDepth.BOOK else None
        return self.market_view.snapshot(symbol, self.now_ns, self.prices.quote(symbol), levels)

    # -- questions to models -------------------------------------------------------------------------------------

    @property
    def has_questions(self) -> bool:
        """Somebody should be asked: `take_unasked`."""
        return self.rounds.has_unasked

    def take_unasked(self) -> tuple[Round, ...]:
        return self.rounds.take_unasked()

    def deliver(self, round_id: str, model: str, reply: ModelReply) -> None:
        """A model has replied. It arrives as much later as the model took, and never in what has happened already."""
        opened = self.rounds.get(round_id)
        if opened is not None:
            due_ns = max(self.now_ns + 1, opened.asked_at_ns + reply.usage.latency_ns)
            self.rounds.deliver(round_id, model, reply, due_ns)

    # -- commands of a person ------------------------------------------------------------------------------------

    def place(
        self, request: OrderRequest, stop: Decimal | None = None, target: Decimal | None = None
    ) -> OrderRequest | Refused:
        """Send an order now. Refused before the market's first message and while halted."""
        if not self._opened:
            return Refused("the market has not started yet: wait for the first prices")
        if self.halted:
            return Refused(f"trading is halted: {self.halted}")
        if self.settings.unfillable:
            return Refused(self.settings.unfillable)
        self._tell_quote(request.symbol)
        sent = self.desk.place(request, stop, target)
        self._settle()
        return sent

    def cancel(self, client_order_id: str) -> Refused | None:
        refused = self.desk.cancel(client_order_id)
        self._settle()
        return refused

    def amend(self, request: AmendRequest) -> Refused | None:
        record = self.executor.order(request.client_order_id)
        if record is not None:
            self._tell_quote(record.request.symbol)
        refused = self.desk.amend(request)
        self._settle()
        return refused

    def close_position(self, position_id: str) -> bool:
        closing = self.desk.close(position_id, CloseReason.MANUAL, self.now_ns)
        self._settle()
        return closing

    def flat(self) -> tuple[str, ...]:
        """Start closing every position; the ids of those begun."""
        closing = self.desk.close_all(CloseReason.MANUAL, self.now_ns)
        self._settle()
        return closing

    # -- the record ----------------------------------------------------------------------------------------------

    @property
    def must_commit(self) -> bool:
        """Something happened that must be stored before anybody hears of it."""
        return self.executor.has_news or self.record.is_full

    @property
    def has_waiting(self) -> bool:
        """Snapshots or decisions wait for a commit."""
        return self.record.has_waiting

    def take_batch(self, feed_position: int, recorded_at_ns: int) -> CommitBatch:
        """Everything since the last batch, with the state it leads to."""
        self.desk.forget_changes()
        return self.record.take(feed_position, self.now_ns, recorded_at_ns, self.state())

    def state(self) -> dict[str, Any]:
        return {
            "now_ns": self.now_ns,
            "paused": self.paused,
            "halted": self.halted,
            "opened": self._opened,
            "decisions": self._decisions,
            "last_words": dict(self._last_words),
            "wallet": self.wallet.state(),
            "exchange": exchange_state(self.exchange),
            "visible": self._visible.state(),
            "executor": self.executor.state(),
            "desk": self.desk.state(),
            "known_orders": self.desk.orders.state(),
            "known_positions": self.desk.positions.state(),
            "trader": None if self.trader is None else self.trader.state(),
            "record": self.record.state(),
        }

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Go on where `stored` was taken, on a fresh session that has observed the feed up to there."""
        self.now_ns = stored["now_ns"]
        self.paused, self.halted = stored["paused"], stored["halted"]
        self._opened = stored["opened"]
        self._decisions = stored["decisions"]
        self._last_words = dict(stored["last_words"])
        self.wallet.restore(stored["wallet"])
        restore_exchange(self.exchange, stored["exchange"])
        self._visible.restore(stored["visible"])
        self.executor.restore(stored["executor"])
        self.desk.restore(stored["desk"])
        self.desk.orders.restore(stored["known_orders"])
        self.desk.positions.restore(stored["known_positions"])
        if self.trader is not None and stored["trader"] is not None:
            self.trader.restore(stored["trader"])
        self.record.restore(stored["record"])
        self._aim()
        self._settle()
