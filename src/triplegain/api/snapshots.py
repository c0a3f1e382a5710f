"""What agents see of a market, as the running session would hand it to them now."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response

from triplegain.api.visit import CurrentVisit

#: BTC-USDT: a path cannot hold the slash.
PairName = Annotated[str, Path(pattern=r"^[A-Za-z0-9.]{1,16}[-_][A-Za-z0-9.]{1,16}$")]


async def show_snapshot(
    visit: CurrentVisit,
    pair: PairName,
    compact: Annotated[bool, Query(description="the form for models, within the token budget")] = False,
) -> Response:
    """Canonical JSON; its SHA-256 is the ETag. 409 with the reason where there is nothing to see."""
    shown = visit.control.snapshot(pair.replace("_", "-").replace("-", "/").upper(), compact)
    return Response(shown.json, media_type="application/json", headers={"ETag": f'"{shown.hash}"'})
