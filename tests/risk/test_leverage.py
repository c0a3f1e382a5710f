"""Leverage lowers the margin and never the loss; the base case is that of `gate_case.py`."""

from __future__ import annotations

from typing import Any

from tests.risk.gate_case import WIDE, D, quantity, verdict

from triplegain.domain.proposal import Regime
from triplegain.domain.verdict import Clamp, RiskApproved, RiskRefused


def test_leverage_is_reduced_not_refused_and_never_enlarges_the_size() -> None:
    answer = verdict(proposal={"leverage": 5, "regime": Regime.TRENDING_BULL})
    assert isinstance(answer, RiskApproved)
    assert (answer.proposal.leverage, answer.quantity) == (1, D(20))
    # confidence 0.75 lends 4, spot 1
    assert answer.clamps[-2:] == (Clamp("leverage_confidence", D(5), D(4)), Clamp("leverage_venue", D(4), D(1)))


MARGIN: dict[str, Any] = {"market": {"leverage_max": 4}, "proposal": {"leverage": 4, "regime": Regime.TRENDING_BULL}}


def test_on_margin_the_size_is_the_same_and_the_margin_pays_for_it() -> None:
    # 20 BTC at 100 / 4 = 500 USD of margin, 8 USD of fees: no coin of the quote currency is needed
    funded = verdict(**MARGIN, portfolio={"free_quote": D(0), "margin_available": D(508)})
    assert isinstance(funded, RiskApproved)
    assert (funded.proposal.leverage, funded.quantity) == (4, D(20))
    # 254 / (25 + 0.4) = 10
    half = verdict(**MARGIN, portfolio={"free_quote": D(0), "margin_available": D(254)})
    assert quantity(half) == D(10) and isinstance(half, RiskApproved) and half.clamps[-1].rule == "margin"
    none = verdict(**MARGIN)
    assert isinstance(none, RiskRefused) and none.clamps[-1] == Clamp("margin", D(20), D(0))


def test_half_of_equity_may_be_margin_and_four_tenths_warn() -> None:
    # 5 000 - 4 750 = 250 USD of margin: 10 BTC at 25
    full = verdict(**MARGIN, portfolio={"margin_available": D(9000), "margin_used": D(4750)})
    assert quantity(full) == D(10) and isinstance(full, RiskApproved)
    assert full.clamps[-1].rule == "margin_utilisation"
    assert [warning.rule for warning in full.warnings] == ["margin_utilisation"]
    for used, warned in ((3500, True), (3499, False)):  # + 500 = 40 %
        near = verdict(**MARGIN, portfolio={"margin_available": D(9000), "margin_used": D(used)})
        assert isinstance(near, RiskApproved) and bool(near.warnings) is warned


def test_the_two_percent_rule_holds_whatever_the_leverage() -> None:
    lifted: dict[str, Any] = {**WIDE, "loss_max": D("0.02")}
    for leverage in (1, 2, 4):
        answer = verdict(
            {"quantity": D(100), "leverage": leverage, "regime": Regime.TRENDING_BULL},
            {"margin_available": D(10**6)},
            {"leverage_max": 4},
            lifted,
        )
        assert isinstance(answer, RiskApproved) and answer.proposal.leverage == leverage
        assert answer.quantity == D("69.213")  # as above: 200 USD lost at the stop, costs included


def test_a_venue_that_lends_nothing_is_spot() -> None:
    answer = verdict(proposal={"leverage": 2, "regime": Regime.TRENDING_BULL}, market={"leverage_max": 0})
    assert isinstance(answer, RiskApproved) and answer.proposal.leverage == 1
