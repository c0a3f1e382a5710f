"""How an order of a running session stands at the exchange now."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from triplegain.api.address import running_sessions
from triplegain.cli.client import part, running_system
from triplegain.config.loader import home_dir
from triplegain.domain.clock import from_datetime
from triplegain.domain.errors import TripleGainError
from triplegain.domain.views import OrderStanding


def standing_of(session: str, order_id: str) -> OrderStanding | None:
    """None where the session does not run, or does not answer: what is stored of the order is told without it."""
    if session not in {each.session for each in running_sessions(home_dir(create=False))}:
        return None
    try:
        with running_system(session) as api:
            found = api.get(f"/paper/orders/{part(order_id)}").get("standing")
    except TripleGainError:
        return None
    if found is None:
        return None
    # A session of another version may say less, or more.
    nearest_at = found.pop("nearest_at", None)
    amounts = {
        name: None if found.get(name) is None else Decimal(found[name])
        for name in OrderStanding.__struct_fields__
        if name != "nearest_at_ns"
    }
    return OrderStanding(
        **amounts, nearest_at_ns=None if nearest_at is None else from_datetime(datetime.fromisoformat(nearest_at))
    )
