"""What a session with a drawdown and one small model would tell of its risk and its agents."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.storage.scripted_session import START_NS

from triplegain.api.agents_resource import Mind, Model, Standing, Task
from triplegain.api.risk_requests import RiskQuestion
from triplegain.api.risk_resource import Breaker, CoolDown, Halt, Limits, MarketLimits, RiskState
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.orders import Market, Side
from triplegain.domain.proposal import Intent, Regime, TradeProposal
from triplegain.domain.verdict import Clamp, Reason, RiskApproved, RiskRefused, RiskVerdict, Rule

HALT = "drawdown: -20.00 % from the peak; no new trades until an ADMIN reset"


def risk_state(session: str, state: str) -> RiskState:
    halts = [Halt(kind="drawdown", until=None, reason=HALT)] if state == "halted" else []
    return RiskState(
        session=session,
        market_time=START_NS,
        state=state,
        words=[f"trading is halted: {HALT}"] if halts else ["cool-down after a loss until 22:23:20 UTC"],
        equity=Decimal(8000),
        peak_equity=Decimal(10_000),
        drawdown_percent=Decimal(20),
        day_percent=Decimal("-1.5"),
        week_percent=None,
        losses_in_a_row=3,
        next_size_halved=False,
        leverage_one_until=None,
        halts=halts,
        cooldowns=[CoolDown(kind="loss", symbol=None, until=START_NS + 600 * SECOND_NS)],
        breakers=[
            Breaker(kind="daily", loss_percent=Decimal(5), measured_from=Decimal(8000), acts_at=Decimal(7600)),
            Breaker(kind="weekly", loss_percent=Decimal(10), measured_from=None, acts_at=None),
        ],
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
        markets=[
            MarketLimits(
                symbol="BTC/USDT",
                regime="ranging",
                confidence_min=Decimal("0.75"),
                size_factor=Decimal("0.75"),
                leverage_max=1,
                stop_min_percent=Decimal("0.5"),
                stop_max_percent=Decimal(3),
                open_positions=0,
            )
        ],
    )


def verdict(question: RiskQuestion) -> RiskVerdict:
    """A buy needs a stop; what is approved is cut to a tenth of a coin."""
    proposal = TradeProposal(
        symbol=question.symbol,
        side=Side.parse(question.side),
        intent=Intent.OPEN if question.side == "buy" else Intent.CLOSE,
        terms=Market(),
        quantity=question.quantity,
        entry=Decimal(1000),
        stop=question.stop,
        target=question.target,
        confidence=question.confidence,
        regime=question.regime or Regime.RANGING,
    )
    if question.side == "buy" and question.stop is None:
        return RiskRefused(proposal, (Reason(Rule.STOP_REQUIRED, "a stop-loss is required"),), (), START_NS)
    cut = Clamp(Rule.SIZE_MAX, Decimal("0.5"), Decimal("0.1"))
    near = Reason(Rule.EXPOSURE_MAX, "exposure is at 72 % of equity")
    sized = replace(proposal, quantity=cut.after)
    return RiskApproved(sized, (cut,), (near,), START_NS)


def mind() -> Mind:
    task = Task(
        name="technical",
        interval_s=60,
        runs=12,
        asked_for=2,
        missed=1,
        skipped={"paused": 3},
        next_due=START_NS + 60 * SECOND_NS,
        in_progress=False,
    )
    regime = Task(
        name="regime",
        interval_s=300,
        runs=0,
        asked_for=0,
        missed=0,
        skipped={},
        next_due=None,
        in_progress=True,
    )
    return Mind(
        level="reduced",
        failing="ollama failed 3 times: timeout",
        trader="ema_baseline",
        tasks=[task, regime],
        models=[Model(name="qwen", provider="ollama", roles=["decision", "regime"])],
        markets=[
            Standing(
                symbol="BTC/USDT",
                regime="ranging",
                technical={"bias": "long", "confidence_pct": 25, "strength_pct": 60},
                sentiment=None,
            ),
            Standing(symbol="XRP/USDT", regime="unknown", technical=None, sentiment={"overall_pct": -40}),
        ],
    )
