"""One order of a rebalance, from the claim to the request that is sent."""

from __future__ import annotations

from dataclasses import dataclass

from triplegain.decision.rebalance.plan import Leg
from triplegain.domain.ids import Origin
from triplegain.domain.orders import OrderRequest, OrderTerms, TimeInForce
from triplegain.domain.proposal import Intent, TradeProposal
from triplegain.domain.verdict import RiskApproved

#: What the record says such an order was for.
REBALANCE_PURPOSE = "rebalance"


@dataclass(frozen=True, slots=True)
class RebalanceOrder:
    """`leg.quantity` at `terms`; a limit order ends at `expires_at_ns`. The id is the same whenever it is asked for."""

    client_order_id: str
    batch: int
    leg: Leg
    terms: OrderTerms
    expires_at_ns: int

    @property
    def proposal(self) -> TradeProposal:
        """For the risk gate."""
        leg = self.leg
        return TradeProposal(leg.symbol, leg.side, Intent.REBALANCE, self.terms, quantity=leg.quantity)

    def request(self, approved: RiskApproved) -> OrderRequest:
        """What is sent once risk has approved the proposal, perhaps smaller."""
        resting = self.terms.rests
        return OrderRequest(
            client_order_id=self.client_order_id,
            symbol=self.leg.symbol,
            side=self.leg.side,
            quantity=approved.quantity,
            terms=self.terms,
            time_in_force=TimeInForce.GTD if resting else TimeInForce.GTC,
            expires_at_ns=self.expires_at_ns if resting else None,
            purpose=REBALANCE_PURPOSE,
            origin=Origin.REBALANCE,
        )
