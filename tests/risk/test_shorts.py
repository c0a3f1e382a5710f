"""Shorts at the gate. 10,000 USD; BTC/USDT 100.2 to 100.3; fee 0.4 %, lending 0.01 %; leverages 2 to 5 are offered."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import Market, Side
from triplegain.domain.proposal import Intent, Regime, TradeProposal
from triplegain.domain.verdict import RiskApproved, RiskRefused, Rule
from triplegain.risk.gate import assess
from triplegain.risk.limits import RiskLimits
from triplegain.risk.restrictions import Restrictions
from triplegain.risk.sizing import loss_at_stop
from triplegain.risk.views import MarketFigures, PortfolioView

D = Decimal
BTC = Instrument("BTC/USDT", D("0.1"), D("0.01"), D("0.01"), D("0.5"))
SHORT = TradeProposal(
    "BTC/USDT", Side.SELL, Intent.OPEN, Market(), stop=D("102.3"), target=D("97"), leverage=2, confidence=D("0.9"),
    regime=Regime.TRENDING_BEAR,
)  # fmt: skip
RICH = PortfolioView(D(10_000), D(0), 0, 0, D(10_000), D(0), margin_available=D(10_000))
MARKET = MarketFigures(
    BTC, D("100.2"), D("100.3"), D("100.2"), D(1), D("0.004"), short_leverages=(2, 3, 4, 5), lending_rate=D("0.0001")
)
#: Nothing but what is asked binds.
WIDE = RiskLimits(size_max=D(1), exposure_max=D(1), margin_utilisation_max=D(1))


def judged(limits: RiskLimits = WIDE, past: Restrictions | None = None, **changes: Any) -> RiskApproved | RiskRefused:
    scene: dict[str, Any] = {"proposal": SHORT, "portfolio": RICH, "market": MARKET}
    for name, part in scene.items():
        scene[name] = replace(part, **changes.pop(name, {}))
    return assess(scene["proposal"], scene["portfolio"], scene["market"], limits, past or Restrictions())


#: What is changed, the quantity that is left, and the rule that cut it last.
SIZES: list[tuple[RiskLimits, dict[str, Any], str, Rule]] = [
    # 20 % of 10,000 / 100.2, the bid
    (RiskLimits(), {}, "19.96", Rule.SIZE_MAX),
    # 40 % of 10,000 beside 3,000 that move along: 1,000 / 100.2
    (WIDE, {"portfolio": {"exposure": D(3000), "exposure_by_symbol": {"BTC/USDT": D(3000)}}}, "9.98",
     Rule.CORRELATION_MAX),
    # 500 / (100.2 / 2 + 100.2 x 0.0041)
    (WIDE, {"portfolio": {"margin_available": D(500)}}, "9.89", Rule.MARGIN),
    # 4 USDT / (100.2 x 0.0041): the fees are paid from them
    (WIDE, {"portfolio": {"free_quote": D(4)}}, "9.73", Rule.FUNDS),
    # 50 % of 10,000, 4,500 in use: 500 / 50.1
    (replace(WIDE, margin_utilisation_max=D("0.5")), {"portfolio": {"margin_used": D(4500)}}, "9.98",
     Rule.MARGIN_UTILISATION),
    # 200 / (102.6025 - 100.2, the stop with its slippage, + 0.004 x (100.2 + 102.6025) + 0.01002 for lending)
    (replace(WIDE, risk_per_trade=D("0.2")), {"proposal": {"stop": D("102.5"), "target": None}}, "62.03",
     Rule.LOSS_MAX),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "changes", "quantity", "rule"), SIZES)
def test_a_short_is_cut_to_what_the_account_bears(
    limits: RiskLimits, changes: dict[str, Any], quantity: str, rule: Rule
) -> None:
    if rule is Rule.LOSS_MAX:
        limits = replace(limits, correlation=replace(limits.correlation, exposure_max=D(1)))
    verdict = judged(limits, **changes)
    assert isinstance(verdict, RiskApproved)
    assert (verdict.quantity, verdict.proposal.leverage) == (D(quantity), 2)
    assert [clamp.rule for clamp in verdict.clamps if clamp.rule != Rule.LOT][-1] == rule


REFUSED: list[tuple[dict[str, Any], Rule, str]] = [
    ({"market": {"short_leverages": (), "no_shorts": "none here"}}, Rule.NO_SHORTS, "none here"),
    ({"proposal": {"stop": None}}, Rule.STOP_REQUIRED, "required"),
    ({"proposal": {"stop": D("100.1")}}, Rule.STOP_LEVEL, "must be above the entry 100.2"),
    ({"proposal": {"stop": D("100.3")}}, Rule.STOP_LEVEL, "would fire at once: the market is at 100.3"),
    ({"proposal": {"stop": D("100.5")}}, Rule.STOP_MIN, "nearer"),
    ({"proposal": {"stop": D("103.3")}}, Rule.STOP_MAX, "farther"),
    # 2.1 at risk, so at least 3.15 to the target: 97.05
    ({"proposal": {"target": D("97.1")}}, Rule.REWARD_RISK, "less than 1.5 times"),
    ({"proposal": {"target": D("105")}}, Rule.REWARD_RISK, "less than 1.5 times"),
    ({"proposal": {"regime": Regime.CHOPPY}}, Rule.LEVERAGE_REGIME, "leverage 2 at the least"),
    # What has cut the size to less than two coins before is not what is in the way.
    ({"portfolio": {"equity": D(150)}, "proposal": {"regime": Regime.CHOPPY}}, Rule.LEVERAGE_REGIME, "allows 1"),
    ({"market": {"short_leverages": (4, 5)}, "proposal": {"leverage": 4}}, Rule.LEVERAGE_REGIME, "allows 3"),
    ({"portfolio": {"margin_available": D(0)}}, Rule.MINIMUM, "cut by"),
]


@pytest.mark.parametrize(("changes", "rule", "words"), REFUSED)
def test_a_short_that_risk_does_not_want_is_refused(changes: dict[str, Any], rule: Rule, words: str) -> None:
    verdict = judged(**changes)
    assert isinstance(verdict, RiskRefused)
    assert verdict.objections[0].rule is rule
    assert words in verdict.reasons[0]


def test_leverage_one_after_a_reset_or_losses_opens_no_short() -> None:
    verdict = judged(past=Restrictions(leverage=((Rule.LEVERAGE_AFTER_RESET, 1),)))
    assert isinstance(verdict, RiskRefused)
    assert verdict.rules == (Rule.LEVERAGE_AFTER_RESET,)


@pytest.mark.parametrize(
    ("side", "held", "quantity"), [(Side.BUY, -3, "2"), (Side.BUY, -1, "1"), (Side.SELL, 3, "2"), (Side.BUY, 3, None)]
)
def test_a_short_is_closed_by_a_purchase_and_never_by_more_than_it_is(
    side: Side, held: int, quantity: str | None
) -> None:
    exit_ = {"side": side, "intent": Intent.CLOSE, "quantity": D(2), "stop": None, "target": None, "leverage": 1}
    verdict = judged(proposal=exit_, portfolio={"position_quantity": D(held), "halted": "drawdown", "equity": None})
    if quantity is None:
        assert isinstance(verdict, RiskRefused)
    else:
        assert isinstance(verdict, RiskApproved) and verdict.quantity == D(quantity)


def test_the_loss_at_a_stop_above_is_that_of_buying_back_beyond_it() -> None:
    """100 sold, 102 x 1.001 = 102.102 paid: 2.102, fees 0.4 % of 202.102, lending 0.01 % of 100."""
    lost = loss_at_stop(D(100), D(102), D("0.004"), D("0.001"), D("0.0001"))
    assert lost == D("2.102") + D("0.808408") + D("0.01")
