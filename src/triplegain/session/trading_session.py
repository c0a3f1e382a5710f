"""One trading session: market events in; orders, fills, money and decisions out, ready to be stored.

Synchronous and deterministic: the same events and commands give the same record, whether they come one at a time or
a whole capture at once. It knows no database and no clock; whoever runs it feeds it events and stores its batches.

At each step: answers, timers and thoughts due before the event, the market event with its matching, commands that have
arrived, answers that have become visible, decisions, then timers. Thoughts (risk's look at equity, analyses, rounds of
models) that are due at the time of an event come after the last event of that time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from triplegain.agents.answer import Answer
from triplegain.agents.baselines.choice import BaselineChoice, baselines
from triplegain.agents.decision_context import DecisionContext
from triplegain.decision.cycle import CycleContext, CycleMoment, DecisionExecutor, changes_nothing
from triplegain.decision.engine import DecisionEngine
from triplegain.decision.schedule import Skip
from triplegain.decision.situation import decision_context
from triplegain.domain.agent_records import AlertKind, AlertRecord
from triplegain.domain.clock import NEVER
from triplegain.domain.exchange_events import OrderCancelled, OrderFilled
from triplegain.domain.market import (
    BookUpdate,
    Candle,
    CandleClosed,
    FeedState,
    FeedStatus,
    MarketDepth,
    MarketEvent,
    PublicTrade,
)
from triplegain.domain.money import atoms
from triplegain.domain.orders import OrderRequest, OrderStatus
from triplegain.domain.parts import STANDING, Parts
from triplegain.domain.records import CommitBatch, OpenRows, Outcome
from triplegain.domain.refusals import Code, Refusal
from triplegain.llm.reply import ModelReply
from triplegain.market.candles.timeframe import timeframe
from triplegain.market.candles.trade_run import TradeRun
from triplegain.market.snapshot.sighting import Sighting
from triplegain.market.snapshot.snapshot import NoSnapshot, Snapshot
from triplegain.risk.engine import RiskEngine
from triplegain.risk.state import RiskMemory
from triplegain.session.attention import Attention
from triplegain.session.baseline_trader import TRADER_PARTS, BaselineTrader
from triplegain.session.by_hand import ByHand
from triplegain.session.components import SessionComponents
from triplegain.session.market_floor import MarketFloor
from triplegain.session.order_by_hand import refusal
from triplegain.session.post_trade import PostTradeHandler
from triplegain.session.reconciliation import Reconciliation
from triplegain.session.risk_watch import RiskWatch
from triplegain.session.settings import SessionSettings
from triplegain.session.step_record import RecordState
from triplegain.session.visible_events import VisibleEvents


class Standing(msgspec.Struct, frozen=True):
    """Where a session stands as a whole. `halted` is the reason, empty while trading."""

    now_ns: int
    opened: bool
    paused: bool
    halted: str


class TradingSession(SessionComponents):
    """Feed it, or the floor that it shares with others, `on_event`; between events `advance_to` lets time pass.
    `must_commit` says when a batch is due."""

    def __init__(self, settings: SessionSettings, floor: MarketFloor | None = None) -> None:
        """`floor` None: its markets are its own. Raises InvalidValueError for markets that the floor does not have."""
        super().__init__(settings, floor or MarketFloor(settings.instruments, settings.source))
        self.now_ns = 0
        self.paused = False
        self.halted = ""
        self.trader = None if settings.baseline is None else self._baseline(settings.baseline)
        self.risk = RiskEngine(settings.limits, RiskMemory.opening(None, 0))
        self.decisions = DecisionExecutor(self.desk, self.risk, self.record.log)
        rebalance = self.open_rebalance(self.risk, self.decisions, lambda: self.decision_engine.why_no_rebalance)
        self.decision_engine: DecisionEngine = DecisionEngine(
            settings.decision, settings.depth, self.record.log, self, rebalance
        )
        self.rounds = self.decision_engine.rounds
        primary = timeframe(settings.snapshot.primary)
        self.watch = RiskWatch(
            self.risk,
            self.desk,
            self.portfolio.equity_usd,
            self.market_view,
            (primary.name, primary.length_ns),
            self.record.log,
        )
        self.hodl = None if settings.hodl is None else self.open_hodl_bag(settings.hodl, lambda: self.why_no_trades)
        self.post_trade = PostTradeHandler(self.desk, self.risk, self.watch, self.hodl, self.record.log)
        self.reconciliation = Reconciliation(self.wallet, self.executor.blotter)
        self.by_hand = ByHand(
            self.exchange,
            self.executor,
            self.desk,
            self._why_unsent,
            lambda: self.why_unheard,
            self.why_stands,
            self._tell_quote,
            self._follow,
        )
        self._visible = VisibleEvents()
        #: By pair the bid from which on, and the ask from which down, a position has something to do; in ticks.
        self._targets: dict[str, tuple[int | None, int | None]] = {}
        self._opened = False
        self._due_ns = NEVER
        self.attention = Attention(
            self.portfolio, self.exchange.margin, self.watch, self.decision_engine, self.risk, self.record
        )
        self.parts = Parts()
        self._register()
        self.exchange.stir = lambda: self.floor.stir(self)
        self.exchange.failed = lambda error: self.floor.failed(self, error)
        self.floor.join(self)

    def _baseline(self, chosen: BaselineChoice) -> BaselineTrader:
        return BaselineTrader(baselines(chosen, list(self.settings.depth)), self.settings.candle_ns, self._decide)

    @property
    def is_open(self) -> bool:
        """The market's first message has come."""
        return self._opened

    @property
    def thinks_at_ns(self) -> int:
        """When risk or the decision engine have something to do next. Whoever can hold the market advances to it before
        the next event, so that questions are asked when they arise and not only when the market moves again."""
        return min(self.decision_engine.due_ns, self.watch.due_ns)

    # -- the market ----------------------------------------------------------------------------------------------

    def observe(self, event: MarketEvent) -> None:
        """Fast-forward: the public market only, before a stored state is restored."""
        self.floor.observe(event)
        self.exchange.now_ns = self.floor.now_ns

    def on_event(self, event: MarketEvent, told: Sequence[Candle] | None = None) -> Sequence[Candle]:
        """See `MarketFloor.on_event`."""
        return self.floor.on_event(event, told)

    def before(self, event: MarketEvent, time_ns: int) -> None:
        time_ns = max(time_ns, self.now_ns)
        if not self._opened:
            self._open(time_ns)
        if self._due_ns < time_ns or self.thinks_at_ns < time_ns:
            self._pass(time_ns - 1)
        if event.exchange_time_ns < self.now_ns or self.conditions.clock.behind_ns:
            self._judge_clock(event)
        self.exchange.run_before(time_ns)

    def follow(self, event: MarketEvent, time_ns: int, is_believed: bool) -> None:
        time_ns = max(time_ns, self.now_ns)
        self.exchange.follow(event, time_ns)
        if not is_believed and (words := self.conditions.doubts.tell(event.symbol, time_ns)):
            self.now_ns = time_ns
            self.alert(AlertKind.TRADE_DOUBTED, words, event.symbol)
        if closed := self.floor.closed(self.market_view):
            self.watch.on_candles(closed, time_ns)
        if isinstance(event, FeedStatus):
            if event.state is FeedState.MISSED:
                self.post_trade.flag_unknown_fills(event, self.executor.orders.open_orders(), self.now_ns)
            elif event.state is FeedState.STEPS_CHANGED:
                self.alert(AlertKind.STEPS_CHANGED, event.reason, event.symbol)
            self._follow_conditions()
        elif isinstance(event, BookUpdate) and event.snapshot:
            self._follow_conditions()
        if not self.portfolio.opening.is_frozen and self.portfolio.observe_opening(time_ns):
            self.record.snapshot_due_ns = time_ns
        self.now_ns = self.exchange.now_ns = time_ns
        self._settle()
        if self._due_ns <= time_ns and isinstance(event, CandleClosed):
            # The stop of what a candle bought comes before whatever is decided at its close.
            self._run_until(time_ns)
        target = self._targets.get(event.symbol)
        if target is not None:
            self._watch(event.symbol, target)
        trader = self.trader
        if trader is not None:
            if time_ns >= trader.due_ns:
                trader.advance_to(time_ns)
            if is_believed:
                trader.on_event(event)
        if self._due_ns <= time_ns:
            self._run_until(time_ns)
        if self.attention.must_plan:
            self.attention.plan(time_ns)
        if time_ns >= self.record.snapshot_due_ns:
            self.record.snapshot(time_ns)

    @property
    def wakes_ns(self) -> int:
        return min(self._due_ns, self.attention.wakes_ns(self.now_ns))

    @property
    def hears_all(self) -> bool:
        return self.trader is not None or self._is_tense

    @property
    def _is_tense(self) -> bool:
        """Any message may concern it, whoever trades."""
        is_opening = not self._opened or not self.portfolio.opening.is_frozen
        is_tense = self.exchange.margin.is_used or self.conditions.clock.behind_ns > 0
        return is_opening or is_tense or self.attention.must_plan or self.attention.awaits_snapshot(self.now_ns)

    @property
    def still_until_ns(self) -> int:
        trader = self.trader
        if self._is_tense or (trader is not None and trader.due_ns == NEVER):
            return 0
        return self.wakes_ns if trader is None else min(self.wakes_ns, trader.due_ns)

    @property
    def aims_at(self) -> Collection[str]:
        return self._targets

    def aim(self, symbol: str) -> tuple[int | None, int | None]:
        return self._targets[symbol]

    def has_reached(self, symbol: str) -> bool:
        return self._is_reached(symbol, self._targets[symbol])

    def decides_by(self, trade: PublicTrade) -> bool:
        return self.trader is not None and self.trader.decides_by(trade)

    def decides_from_ns(self, symbol: str) -> int:
        return NEVER if self.trader is None else self.trader.decides_from_ns(symbol)

    def on_tape(self, trade: PublicTrade) -> None:
        if self.trader is not None:
            self.trader.on_event(trade)

    def on_trades(self, run: TradeRun) -> None:
        if self.trader is not None:
            self.trader.on_trades(run)

    def be_at(self, time_ns: int) -> None:
        self.now_ns = max(self.now_ns, time_ns)
        self.exchange.now_ns = max(self.exchange.now_ns, self.now_ns)

    def leave_markets(self) -> None:
        self.exchange.leave()

    def begin_away(self) -> None:
        """A live session goes on after a pause: no market is in sync before its feed says so."""
        self.floor.begin_away("waiting for the order book")
        self.exchange.run_through(self.now_ns)

    def wait_for_market(self) -> None:
        self.exchange.run_through(self.now_ns)
        self.decision_engine.sleep()
        self.attention.has_changed = True

    def since_ns(self, symbol: str) -> int:
        market = self.exchange.markets.get(symbol)
        return 0 if market is None or not self._opened else market.since_ns or self.now_ns

    def _judge_clock(self, event: MarketEvent) -> None:
        clock, was_behind = self.conditions.clock, self.conditions.clock.words
        if not clock.judge(event, self.now_ns):
            return
        self.exchange.hold(clock.words)
        if clock.words and not was_behind:
            self.alert(AlertKind.CLOCK_BEHIND, f"{clock.words}: nothing is sent or matched until it has caught up")
        self._follow_conditions()

    def _follow_conditions(self) -> None:
        """What could not be sent goes out where it can again."""
        shut, opened = self.conditions.look()
        for symbol, words in shut:
            if self.exchange.markets[symbol].is_closed:
                self.alert(
                    AlertKind.MARKET_CLOSED, f"{words}: nothing is sent, no cancel either, until it opens", symbol
                )
        for symbol in opened:
            self.desk.opened(symbol, self.now_ns)

    def _open(self, time_ns: int) -> None:
        """The opening balances arrive with the market's first message."""
        self._opened = True
        balances = {asset: atoms(amount) for asset, amount in self.portfolio.initial_balances.items()}
        self.wallet.deposit(balances, time_ns)
        self.record.snapshot_due_ns = time_ns
        self.risk.begin(time_ns)
        self.decision_engine.start(time_ns)

    def advance_to(self, time_ns: int) -> None:
        """Market time passes without a message."""
        self.floor.advance_to(time_ns)

    def pass_to(self, time_ns: int) -> None:
        if self._opened:
            self._pass(time_ns)
        self.be_at(time_ns)

    def close_run(self) -> None:
        """The run ends here: one more snapshot and the last analyses, so that the record ends with what was seen last,
        and one more look at all the books."""
        self.reconciliation.due_ns = 0
        if self._opened:
            self.decision_engine.analysts.store_last()
            self.record.snapshot(self.now_ns)

    def _pass(self, time_ns: int) -> None:
        """Everything due up to `time_ns`, thoughts after what happens at the same time."""
        while (due_ns := min(self._due_ns, self.thinks_at_ns)) <= time_ns:
            if self._due_ns <= due_ns:
                self._run_until(due_ns)
            else:
                self._think(due_ns)

    def _think(self, now_ns: int) -> None:
        """Risk looks at equity; the decision engine does what is due."""
        self.now_ns = max(self.now_ns, now_ns)
        self.exchange.now_ns = max(self.exchange.now_ns, self.now_ns)
        if self.watch.due_ns <= now_ns:
            for symbol in self.desk.open_symbols():
                self._tell_quote(symbol)
            self.watch.run(now_ns)
            if halt := self.risk.halted(now_ns):
                self.decision_engine.give_up(f"trading is halted: {halt}", now_ns)
            if self.decision_engine.is_asleep and not all(each.condition for each in self.exchange.markets.values()):
                self.decision_engine.wake()
        if self.decision_engine.due_ns <= now_ns:
            self.decision_engine.run(now_ns)
        self._settle()

    def _run_until(self, time_ns: int) -> None:
        """Everything due up to `time_ns`, in order of time: the engine, answers to us, then our timers."""
        while self._due_ns <= time_ns:
            now_ns = self.now_ns = max(self.now_ns, self._due_ns)
            self.exchange.run_through(now_ns)
            self._settle()
            timer = self.desk.next_due_ns()
            if timer is not None and timer <= now_ns:
                self.desk.on_timer(now_ns)
            self.post_trade.on_timer(now_ns)
            self._settle()

    def _follow(self) -> None:
        """What a command sends, and all that follows from it by now: what has no way to go is answered at once."""
        self.exchange.run_through(self.now_ns)
        self._settle()
        self._run_until(self.now_ns)

    def _settle(self) -> None:
        """Record what the exchange did, hand the desk what is visible by now, until nothing is pending."""
        while True:
            for event in self.executor.settle():
                self.attention.has_changed = True
                self._visible.add(event)
                if isinstance(event, OrderCancelled) and event.status is OrderStatus.ERROR:
                    order = self.executor.orders.by_client_id(event.client_order_id)
                    position_id = "" if order is None else order.request.position_id or ""
                    words = f"{event.client_order_id} was {event.reason}"
                    self.alert(AlertKind.ORDER_TAKEN_OUT, words, event.symbol, position_id)
            if self._visible.next_ns > self.now_ns:
                break
            while self._visible.next_ns <= self.now_ns:
                event = self._visible.pop()
                if self.attention.is_quiet and isinstance(event, OrderFilled):
                    self._tell_quote(event.symbol)
                self.desk.on_event(event, self.now_ns)
                self.post_trade.on_event(event, self.now_ns)
            self.post_trade.settle(self.now_ns)
        if self.desk.moved:
            self._aim()
        if self.desk.alerts:
            self.post_trade.settle(self.now_ns)
        timer = self.desk.next_due_ns()
        self._due_ns = min(
            self.exchange.next_due_ns,
            self._visible.next_ns,
            NEVER if timer is None else timer,
            self.post_trade.next_due_ns,
        )

    def _aim(self) -> None:
        """Prices to watch."""
        while self.desk.moved:
            symbol = self.desk.moved.pop()
            ticks, rise, fall = self.exchange.markets[symbol].instrument.ticks, *self._next_prices(symbol)
            if rise is None and fall is None:
                self._targets.pop(symbol, None)
            else:
                self._targets[symbol] = None if rise is None else ticks(rise), None if fall is None else ticks(fall)

    def _next_prices(self, symbol: str) -> tuple[Decimal | None, Decimal | None]:
        return self.desk.next_price(symbol), self.desk.next_fall(symbol)

    def _watch(self, symbol: str, target: tuple[int | None, int | None]) -> None:
        if self._is_reached(symbol, target):
            self._tell_quote(symbol)
            self._settle()

    def _is_reached(self, symbol: str, target: tuple[int | None, int | None]) -> bool:
        (bid, ask), (rise, fall) = self.exchange.markets[symbol].quotes(), target
        return (rise is not None and bid is not None and bid >= rise) or (
            fall is not None and ask is not None and ask <= fall
        )

    def _tell_quote(self, symbol: str) -> None:
        quote = self.prices.quote(symbol)
        if quote is not None:
            self.desk.on_quote(symbol, quote.bid, quote.ask, quote.last, self.now_ns)

    # -- decisions -----------------------------------------------------------------------------------------------

    def _decide(self, symbol: str, candle: Candle, answer: Answer) -> None:
        """A trader that goes by candles has an answer."""
        trader = self.trader
        assert trader is not None
        if changes_nothing(answer):
            self._tell_quote(symbol)
            moment = CycleMoment(self.decisions.next_number, self.now_ns, symbol, trader.name)
            self.decisions.stay(answer, moment)
        else:
            outcome = self.decisions.plan(answer, self.look(symbol, trader.name))
            done = self.decisions.carry_out(outcome)
            if done is not None and done.outcome is Outcome.SENT:
                trader.carried_out(symbol)
        self._settle()

    def look(self, symbol: str, agent: str) -> CycleContext:
        """The pictures of now, for one decision."""
        self._tell_quote(symbol)
        number, regime = self.decisions.next_number, self.decision_engine.signals.regime(symbol)
        return self.situation.look(number, self.now_ns, symbol, agent, self.paused, self.halted, regime)

    def context(self, situation: CycleContext) -> DecisionContext:
        """What voters may know of the account."""
        records = [p for p in self.desk.positions.records() if p.symbol == situation.symbol]
        return decision_context(situation, records, self.decision_engine.signals, self.risk)

    @property
    def may_trade(self) -> Skip | None:
        """None while models may be asked for decisions."""
        if self.paused:
            return Skip.PAUSED
        return Skip.NOT_RUNNING if self.why_no_trades else None

    @property
    def why_no_trades(self) -> str:
        """Why nothing new is bought now, in words; empty while trading."""
        return "trading is paused" if self.paused else self.halted or self.risk.halted(self.now_ns)

    def snapshot(self, symbol: str) -> Snapshot | NoSnapshot:
        """What agents see of one market now. Raises InvalidValueError for one this session does not watch."""
        market = self.exchange.markets.get(symbol)
        levels = market.public.book.best_first() if market and market.depth is MarketDepth.BOOK else None
        return self.market_view.snapshot(symbol, self.now_ns, self.prices.quote(symbol), levels)

    def sight(self, symbol: str) -> Sighting | NoSnapshot:
        return self.market_view.sight(symbol, self.now_ns, self.prices.quote(symbol))

    # -- questions to models -------------------------------------------------------------------------------------

    def deliver(self, round_id: str, model: str, reply: ModelReply) -> None:
        """A model has replied: an input of the session, like a message of the feed."""
        self.decision_engine.deliver(round_id, model, reply, self.now_ns)

    # -- commands of a person ------------------------------------------------------------------------------------

    def _why_unsent(self, request: OrderRequest) -> Refusal | None:
        standing = (self._opened, self.halted, self.settings.unfillable, self.risk.must_be_flat)
        return self.why_unheard or refusal(request, self.now_ns, *standing)

    @property
    def why_unheard(self) -> Refusal | None:
        """While market time stands nothing that is sent arrives."""
        words = self.conditions.clock.words
        return Refusal(Code.UNAVAILABLE, f"{words}: ask again when it has caught up") if words else None

    def why_stands(self, symbols: Iterable[str]) -> str:
        """Why what was just asked for in these markets is not sent yet, in words; empty where it is."""
        return next(filter(None, map(self.conditions.why_shut, symbols)), "")

    def take_out(self, order_number: int, request: OrderRequest | None, why: str) -> bool:
        """End an order that cannot be stored as it stands, with an alert: now, or as soon as `request` is sent.

        False where there is nothing to end.
        """
        reason = f"taken out: {why}"
        if order_number > self.exchange.order_count and request is not None:
            self.exchange.unstorable[request] = reason
            return True
        found = self.exchange.take_out(order_number, reason)
        self._settle()
        return found is not None

    def alert(self, kind: AlertKind, told: str, symbol: str = "", position_id: str = "") -> None:
        """For whoever reads the record."""
        self.record.log.put(AlertRecord(0, self.now_ns, kind, symbol, position_id, told))

    def positions_left(self) -> tuple[str, ...]:
        """Positions that are not closed, with entries under way."""
        return tuple(position.position_id for position in self.desk.open_positions())

    # -- the record ----------------------------------------------------------------------------------------------

    @property
    def must_commit(self) -> bool:
        """Something happened that must be stored before anybody hears of it."""
        return self.executor.has_news or self.record.is_full

    def take_batch(self, feed_position: int, recorded_at_ns: int) -> CommitBatch:
        """Everything since the last batch, with the parts of the session that have changed.

        Raises ReconcileError where the books do not agree.
        """
        batch = self.record.take(feed_position, self.now_ns, recorded_at_ns, tuple(self.parts.changes()))
        lacked = self.reconciliation.lacks
        self.reconciliation.follow(batch.entries, batch.fills, batch.orders, batch.market_time_ns)
        if lacked and not self.reconciliation.lacks:
            # What it was halted for is put right.
            self.halted = ""
        return batch

    def _register(self) -> None:
        """Every part of the session that no record says, in the order in which they are restored."""
        single = self.parts.single
        single(STANDING, Standing, self._standing, self._take_up)
        self.decisions.register(self.parts)
        self.risk.register(self.parts)
        self.wallet.register(self.parts)
        self.exchange.register(self.parts)
        self.conditions.doubts.register(self.parts)
        self._visible.register(self.parts)
        self.portfolio.register(self.parts)
        self.executor.blotter.register(self.parts)
        self.desk.register(self.parts)
        if self.trader is None:
            self.parts.retire(*TRADER_PARTS)
        else:
            self.trader.register(self.parts)
        single("session.record", RecordState, self.record.state, self.record.restore)
        self.decision_engine.register(self.parts)
        self.watch.register(self.parts)
        if self.hodl is not None:
            self.hodl.register(self.parts)

    def _standing(self) -> Standing:
        return Standing(self.now_ns, self._opened, self.paused, self.halted)

    def _take_up(self, stored: Standing) -> None:
        self.now_ns, self._opened, self.paused, self.halted = stored.now_ns, stored.opened, stored.paused, stored.halted
        self.floor.begin_at(self.now_ns)

    def restore(self, parts: Mapping[tuple[str, str], bytes], rows: OpenRows | None = None) -> None:
        """Go on where `parts` were stored, on a fresh session that has observed the feed up to there.

        Halted, with an alert, where positions own more than the wallet holds. Raises ReconcileError where else they do
        not agree among themselves, or with `rows`.
        """
        # What is missing halts until somebody has looked: only its own part says otherwise.
        self.risk.restore(None)
        self.parts.restore(parts)
        before, self.halted = self.halted, ""
        if short := self.reconciliation.begin(rows):
            self.halted = f"the books do not agree: {short}; close the positions, or start anew with a reset"
            if self.halted != before:
                told = f"{self.halted}. Closing sells what is there and writes off the rest"
                self.alert(AlertKind.BOOKS_DIFFER, told)
        self.conditions.look()
        self.attention.begin(self.now_ns)
        self._aim()
        self._settle()
