"""The account on margin over HTTP."""

from __future__ import annotations

from tests.api.conftest import Bench


async def test_the_figures_have_money_as_text_and_times_in_utc(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        seen = (await viewer.get("/api/v1/margin")).json()
    assert (seen["mode"], seen["session"], seen["state"]) == ("paper", bench.control.session_id, "called")
    assert (seen["equity"], seen["used"], seen["level_percent"]) == ("7199.95", "9000", "79.9994")
    (position,) = seen["positions"]
    assert (position["side"], position["leverage"], position["unrealised"]) == ("buy", 5, "-2800.05")
    assert position["rollover_at"] == "2023-11-15T02:13:20.000000Z"
