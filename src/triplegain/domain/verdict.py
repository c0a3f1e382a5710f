"""What the gate answers. Only a `RiskApproved` can be sent as an order."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.proposal import TradeProposal


@dataclass(frozen=True, slots=True)
class Clamp:
    """One reduction: `rule` brought a number from `before` down to `after`."""

    rule: str
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class RiskApproved:
    """`proposal` may be sent as it stands here: quantity and entry are set, and no larger than asked for."""

    proposal: TradeProposal
    clamps: tuple[Clamp, ...] = ()

    @property
    def quantity(self) -> Decimal:
        """Base quantity to send. Raises InvalidValueError if nobody set it: then this never passed the gate."""
        if self.proposal.quantity is None:
            raise InvalidValueError("an approved proposal names its quantity; this one did not pass the risk gate")
        return self.proposal.quantity


@dataclass(frozen=True, slots=True)
class RiskRefused:
    """Every reason against it, in words."""

    proposal: TradeProposal
    reasons: tuple[str, ...]


RiskVerdict = RiskApproved | RiskRefused
