"""What a session with a drawdown and one small model would tell of its risk and its agents."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.storage.scripted_session import START_NS

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.orders import Side
from triplegain.domain.proposal import Regime, TradeProposal
from triplegain.domain.statement import AccountSummary
from triplegain.domain.verdict import Clamp, Reason, RiskApproved, RiskRefused, RiskVerdict, Rule
from triplegain.domain.views import (
    AgentsView,
    Breaker,
    CoolDown,
    Halt,
    LentPosition,
    Limits,
    Margin,
    MarketLimits,
    Model,
    RiskState,
    Standing,
    Task,
)

HALT = "drawdown: -20.00 % from the peak; no new trades until an ADMIN reset"


def account(equity: Decimal, fees: dict[str, Decimal]) -> AccountSummary:
    """Of a session that knows little else."""
    return AccountSummary(
        opening=None,
        equity=equity,
        buy_and_hold=None,
        realised_usd=None,
        unrealised_usd=None,
        fees_usd=None,
        drawdown=None,
        realised={},
        fees=fees,
        trade_count=1,
        wins=0,
        losses=0,
    )


def margin(session: str) -> Margin:
    """One purchase of 1.5 at 30,000 with leverage 5 that has lost 2,800.05."""
    position = LentPosition(
        order_id="OAAAAA-AAAAA-AAAAAA", symbol="BTC/USDT", side=Side.BUY, leverage=5, quantity=Decimal("1.5"),
        cost=Decimal(45_000), price=Decimal("28133.3"), unrealised=Decimal("-2800.05"), realised=Decimal(0),
        fees=Decimal("191.25"), rollovers=0, opened_at_ns=START_NS, rollover_at_ns=START_NS + 14_400 * SECOND_NS,
    )  # fmt: skip
    return Margin(
        session_id=session, market_time_ns=START_NS, enabled=True, dated="2026-02-10", state="called",
        collateral=Decimal(10_000), unrealised=Decimal("-2800.05"), equity=Decimal("7199.95"), used=Decimal(9000),
        free=Decimal("-1800.05"), level_percent=Decimal("79.9994"), owed={}, gains={}, fees={"USDT": Decimal("191.25")},
        positions=(position,),
    )  # fmt: skip


def risk_state(session: str, state: str) -> RiskState:
    halts = (Halt("drawdown", None, HALT),) if state == "halted" else ()
    return RiskState(
        session_id=session,
        market_time_ns=START_NS,
        state=state,
        words=(f"trading is halted: {HALT}",) if halts else ("cool-down after a loss until 22:23:20 UTC",),
        equity=Decimal(8000),
        peak_equity=Decimal(10_000),
        drawdown_percent=Decimal(20),
        day_percent=Decimal("-1.5"),
        week_percent=None,
        losses_in_a_row=3,
        next_size_halved=False,
        leverage_one_until_ns=None,
        halts=halts,
        cooldowns=(CoolDown("loss", None, START_NS + 600 * SECOND_NS),),
        breakers=(
            Breaker("daily", Decimal(5), Decimal(8000), Decimal(7600)),
            Breaker("weekly", Decimal(10), None, None),
        ),
        limits=Limits(
            position_max_usd=Decimal(1600),
            loss_at_stop_max_usd=Decimal(160),
            exposure_usd=Decimal(0),
            exposure_max_usd=Decimal(6400),
            open_positions=0,
            positions_max=5,
            positions_per_symbol_max=2,
            reward_risk_min=Decimal("1.5"),
        ),
        markets=(
            MarketLimits(
                symbol="BTC/USDT",
                regime="ranging",
                confidence_min=Decimal("0.75"),
                size_factor=Decimal("0.75"),
                leverage_max=1,
                stop_min_percent=Decimal("0.5"),
                stop_max_percent=Decimal(3),
                open_positions=0,
            ),
        ),
    )


def verdict(asked: TradeProposal, regime: Regime | None) -> RiskVerdict:
    """A buy needs a stop; what is approved is cut to a tenth of a coin."""
    proposal = replace(asked, entry=Decimal(1000), regime=regime or Regime.RANGING)
    if asked.side is Side.BUY and asked.stop is None:
        return RiskRefused(proposal, (Reason(Rule.STOP_REQUIRED, "a stop-loss is required"),), (), START_NS)
    cut = Clamp(Rule.SIZE_MAX, Decimal("0.5"), Decimal("0.1"))
    near = Reason(Rule.EXPOSURE_MAX, "exposure is at 72 % of equity")
    sized = replace(proposal, quantity=cut.after)
    return RiskApproved(sized, (cut,), (near,), START_NS)


def mind() -> AgentsView:
    task = Task(
        name="technical",
        interval_s=60,
        runs=12,
        asked_for=2,
        missed=1,
        skipped={"paused": 3},
        next_due_ns=START_NS + 60 * SECOND_NS,
        in_progress=False,
    )
    regime = Task(
        name="regime",
        interval_s=300,
        runs=0,
        asked_for=0,
        missed=0,
        skipped={},
        next_due_ns=None,
        in_progress=True,
    )
    return AgentsView(
        level="reduced",
        failing="ollama failed 3 times: timeout",
        trader="ema_baseline",
        tasks=(task, regime),
        models=(Model("qwen", "ollama", ("decision", "regime")),),
        markets=(
            Standing(
                symbol="BTC/USDT",
                regime="ranging",
                technical={"bias": "long", "confidence_pct": 25, "strength_pct": 60},
                sentiment=None,
            ),
            Standing(symbol="XRP/USDT", regime="unknown", technical=None, sentiment={"overall_pct": -40}),
        ),
    )
