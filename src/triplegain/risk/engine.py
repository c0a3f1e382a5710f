"""The risk engine: the gate with a memory. The same object guards paper, replay and live.

It has no clock and does no I/O: whoever runs the session tells it what happened and when (market time), carries out
what the breakers order, and stores `state()` and what `drain()` gives in the same transaction as the event.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from typing import Any

from msgspec.structs import replace

from triplegain.domain.agent_records import RiskRecord
from triplegain.domain.candle_time import candle_open_ns
from triplegain.domain.clock import DAY_NS, MINUTE_NS, WEEK_NS
from triplegain.domain.money import text
from triplegain.domain.parts import Parts
from triplegain.domain.proposal import Regime, TradeProposal
from triplegain.domain.verdict import RiskVerdict
from triplegain.risk.gate import assess
from triplegain.risk.limits import CoolDownKind, RiskLimits
from triplegain.risk.objections import confidence_least
from triplegain.risk.restrictions import BREAKER_RULES, BreakerAction, far_above, orders, restrictions, trips
from triplegain.risk.sizing import RISK_CONTEXT, known
from triplegain.risk.state import CoolDownEnd, HaltKind, MarketMemory, RiskMemory, decode, encode, with_atr, with_prices
from triplegain.risk.views import MarketFigures, PortfolioView


class RiskEngine:
    """One session's. A brand-new session brings `RiskMemory.opening(...)`, every other one `decode(stored)`."""

    def __init__(self, limits: RiskLimits, state: RiskMemory) -> None:
        self.limits = limits
        self._state = state
        self._changes: list[RiskRecord] = []
        self._market_changed: Callable[[str], None] = lambda symbol: None
        #: From what the breakers measure, and an equity above which none of them acts.
        self._measured: tuple[Decimal | None, ...] = ()
        self._far_above: Decimal | None = None

    @property
    def memory(self) -> RiskMemory:
        """What it remembers now; immutable."""
        return self._state

    def state(self) -> dict[str, Any]:
        return encode(self._state)

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Go on from what was stored. Missing or damaged: halted until a reset."""
        self._state = decode(state)
        self._changes.clear()

    def register(self, parts: Parts) -> None:
        """The state without the markets, and each market. They are checked here, so that what is damaged halts.

        A part that is missing is nobody's to tell: a session that goes on calls `restore(None)` before its parts.
        """
        parts.single("risk.state", dict[str, Any], lambda: encode(replace(self._state, markets={})), self.restore)
        self._market_changed = parts.keyed(
            "risk.market", MarketMemory, self._market, self._restore_markets, lambda: self._state.markets
        )

    def _market(self, symbol: str) -> MarketMemory | None:
        return self._state.markets.get(symbol)

    def _restore_markets(self, markets: dict[str, MarketMemory]) -> None:
        self._state = decode(encode(replace(self._state, markets=markets)))

    def begin(self, now_ns: int) -> None:
        """The market of a brand-new session has begun: its day and week are those of this moment. A state that
        already knows more, or halts, is left as it is."""
        if self._state.peak_equity is None and not self._state.halts:
            self._state = RiskMemory.opening(None, now_ns)

    def confidence_least(self, symbol: str, regime: Regime, now_ns: int) -> Decimal:
        """What an opening has to be sure of at least, as things stand: regime, strictness and losses in a row."""
        with localcontext(RISK_CONTEXT):
            past = restrictions(self._state, self.limits, symbol, known(self._state.equity), now_ns)
        return confidence_least(regime, self.limits, past)

    def drain(self) -> tuple[RiskRecord, ...]:
        """The changes since the last call, to be stored with the step."""
        changes = tuple(self._changes)
        self._changes.clear()
        return changes

    def halted(self, now_ns: int) -> str:
        """Why nothing new is opened, in words; empty while trading."""
        return "; ".join(halt.reason for halt in self._state.halts_in_force(now_ns))

    @property
    def must_be_flat(self) -> bool:
        """Whether a drawdown halt holds: what is still open, or fills late, is to be closed."""
        return any(halt.kind is HaltKind.DRAWDOWN for halt in self._state.halts)

    def assess(
        self, proposal: TradeProposal, portfolio: PortfolioView, market: MarketFigures, now_ns: int, elapsed_ns: int = 0
    ) -> RiskVerdict:
        """The verdict. `elapsed_ns` is the market time since the pictures were taken, and is stored with it."""
        equity = known(portfolio.equity)
        if equity is not None:
            self._roll_over(equity, now_ns)
        with localcontext(RISK_CONTEXT):
            past = restrictions(self._state, self.limits, proposal.symbol, equity, now_ns)
        verdict = assess(proposal, portfolio, market, self.limits, past, elapsed_ns)
        return dataclasses.replace(verdict, decided_at_ns=now_ns, elapsed_ns=elapsed_ns)

    def on_equity(self, equity: Decimal | None, now_ns: int) -> tuple[BreakerAction, ...]:
        """Equity as measured now, unrealised included. Returns what the breakers that have just acted order, once.

        Unknown equity changes nothing: no peak and no opening is guessed, and no trade is approved meanwhile.
        """
        equity = known(equity)
        if equity is None:
            return ()
        self._roll_over(equity, now_ns)
        peak = self._state.peak_equity
        if self._state.is_damaged or peak is None:
            return ()
        self._state = replace(self._state, peak_equity=max(peak, equity), equity=equity, equity_at_ns=now_ns)
        if self._is_far(equity):
            return ()
        with localcontext(RISK_CONTEXT):
            acting = {halt.kind for halt in self._state.halts_in_force(now_ns)}
            tripped = tuple(
                trip for trip in trips(self._state, equity, self.limits.breakers) if trip.kind not in acting
            )
        for trip in tripped:
            self._change(BREAKER_RULES[trip.kind], trip.reason, now_ns, halts=(*self._state.halts, trip))
        return orders(tripped, self.limits.breakers)

    def _is_far(self, equity: Decimal) -> bool:
        """Far enough from every breaker to say so without measuring."""
        measured = (self._state.day_equity, self._state.week_equity, self._state.peak_equity)
        if measured != self._measured:
            self._measured, self._far_above = measured, far_above(self._state, self.limits.breakers)
        return self._far_above is not None and equity > self._far_above

    def on_transferred(self, usd: Decimal, now_ns: int) -> None:
        """Money left (above zero) or entered (below) the tradable account: that is neither a loss nor a profit."""
        state = self._state
        if known(usd) is None or not usd:
            return
        moved = {
            name: base - usd
            for name in ("peak_equity", "day_equity", "week_equity")
            if (base := getattr(state, name)) is not None and base > usd
        }
        self._change("transfer", f"{text(usd)} USD left the tradable account", now_ns, **moved)

    def on_opened(self, symbol: str, now_ns: int) -> None:
        """An opening was sent: its cool-down begins, and the half size after losses is used up."""
        if self._state.halve_next:
            self._change("half_size_used", "the next size is whole again", now_ns, halve_next=False)
        self._cool_down(CoolDownKind.TRADE, symbol, now_ns, f"an opening of {symbol} was sent")

    def on_rebalanced(self, now_ns: int) -> None:
        """All orders of a rebalance were sent."""
        self._cool_down(CoolDownKind.REBALANCE, "", now_ns, "a rebalance was sent")

    def on_closed(self, symbol: str, net_usd: Decimal | None, now_ns: int) -> None:
        """A position was closed with this result, all costs included; None: it could not be valued.

        A loss counts, a profit ends the row, nothing gained and nothing lost changes nothing. An unknown result
        neither counts nor ends anything, but cools down like a loss.
        """
        net = known(net_usd)
        if net is None:
            self._cool_down(CoolDownKind.LOSS, "", now_ns, f"a close of {symbol} with an unknown result")
        elif net > 0 and self._state.losses_in_a_row:
            self._change("profit", f"a profit on {symbol} ends the losses in a row", now_ns, **_NO_STREAK)
        elif net < 0:
            self._lost(symbol, now_ns)

    def on_atr(self, symbol: str, atr: float, now_ns: int) -> None:
        """The average true range of a candle that has closed (any length, always the same)."""
        before = self._state.market(symbol)
        after = with_atr(before, atr, self.limits.volatility)
        self._remember(symbol, after)
        if after.spike and not before.spike:
            ratio = self.limits.volatility.spike_ratio
            words = f"the ATR of {symbol} is above {ratio} times its mean"
            self._cool_down(CoolDownKind.VOLATILITY_SPIKE, symbol, now_ns, words)

    def on_price(self, symbol: str, low: Decimal, high: Decimal, now_ns: int) -> None:
        """Lowest and highest price since the last call: of a candle, or twice the same for a single price."""
        if known(low) is None or known(high) is None or not 0 < low <= high:
            return
        with localcontext(RISK_CONTEXT):
            after, moved = with_prices(self._state.market(symbol), low, high, now_ns, self.limits.volatility)
        self._remember(symbol, after)
        if moved:
            percent, minutes = self.limits.volatility.move * 100, self.limits.volatility.move_window_ns // MINUTE_NS
            words = f"{symbol} moved by more than {text(percent)} % within {minutes} minutes"
            self._cool_down(CoolDownKind.UNUSUAL_MOVE, symbol, now_ns, words)

    def _remember(self, symbol: str, memory: MarketMemory) -> None:
        self._state = replace(self._state, markets={**self._state.markets, symbol: memory})
        self._market_changed(symbol)

    def reset(self, now_ns: int, equity: Decimal | None) -> str:
        """An administrator's reset: halts end, equity as it is now becomes peak and opening, and trading goes on at
        leverage 1 for a while. Cool-downs and losses in a row stay. Returns why it cannot be; empty when done."""
        now = known(equity)
        if now is None or now <= 0:
            return "equity is unknown or not above zero: without it there is nothing to measure losses from"
        old = self._state
        new = RiskMemory.opening(now, now_ns)
        ended = "; ".join(halt.reason for halt in old.halts) or "no halt was in force"
        self._state = replace(
            new,
            losses_in_a_row=old.losses_in_a_row,
            last_loss_ns=old.last_loss_ns,
            halve_next=old.halve_next,
            cooldowns=old.cooldowns,
            markets=old.markets,
            changes=old.changes,
            leverage_one_until_ns=now_ns + self.limits.leverage_one_after_reset_ns,
        )
        self._change("reset", f"ADMIN reset at {text(now)} USD; ended: {ended}", now_ns)
        return ""

    def _roll_over(self, equity: Decimal, now_ns: int) -> None:
        """A new day or week (UTC) begins with the first equity known in it; what held until then ends."""
        if self._state.is_damaged or equity <= 0:
            return
        if self._state.peak_equity is None:
            words = f"equity is known: {text(equity)} USD"
            self._change("opened", words, now_ns, peak_equity=equity, day_equity=equity, week_equity=equity)
        if now_ns < self._state.day_start_ns + DAY_NS:
            return
        week_ns, day_ns = candle_open_ns(now_ns, WEEK_NS), candle_open_ns(now_ns, DAY_NS)
        begins = {"day_start_ns": day_ns, "day_equity": equity}
        new_week = week_ns > self._state.week_start_ns
        if new_week:
            begins |= {"week_start_ns": week_ns, "week_equity": equity}
        kept = self._state.halts_in_force(now_ns)
        kind = "week" if new_week else "day"
        self._change(kind, f"a new {kind} begins at {text(equity)} USD", now_ns, halts=kept, **begins)

    def _lost(self, symbol: str, now_ns: int) -> None:
        limits = self.limits
        losses = self._state.losses(now_ns, limits.streak_memory_ns) + 1
        long = losses >= limits.long_losing_streak.losses
        row = f"loss {losses} in a row, on {symbol}"
        half = {"halve_next": long or (self._state.halve_next and losses > 1)}
        self._change("loss", row, now_ns, losses_in_a_row=losses, last_loss_ns=now_ns, **half)
        kind = CoolDownKind.LOSS
        if long:
            kind = CoolDownKind.LONG_LOSING_STREAK
        elif losses >= limits.losing_streak.losses:
            kind = CoolDownKind.LOSING_STREAK
        self._cool_down(kind, "", now_ns, row)

    def _cool_down(self, kind: CoolDownKind, symbol: str, now_ns: int, why: str) -> None:
        """A later deadline for this reason and symbol; an earlier one changes nothing. A running one that is only
        carried on is written down once."""
        until = now_ns + self.limits.cooldowns_ns[kind]
        running = {(each.kind, each.symbol): each for each in self._state.cooldowns if each.until_ns > now_ns}
        before = running.get((kind, symbol))
        if until <= (before.until_ns if before else now_ns):
            return
        running[kind, symbol] = CoolDownEnd(kind, symbol, until)
        cooldowns = tuple(running[key] for key in sorted(running))
        if before:
            self._state = replace(self._state, cooldowns=cooldowns)
        else:
            minutes = self.limits.cooldowns_ns[kind] / MINUTE_NS
            self._change("cooldown", f"{minutes:g} min: {why}", now_ns, cooldowns=cooldowns)

    def _change(self, kind: str, reason: str, now_ns: int, **changed: Any) -> None:
        """Change the state and leave a record of it."""
        number = self._state.changes + 1
        self._state = replace(self._state, changes=number, **changed)
        self._changes.append(RiskRecord(number, now_ns, str(kind), reason, self.state()))


_NO_STREAK: Mapping[str, Any] = {"losses_in_a_row": 0, "halve_next": False}
