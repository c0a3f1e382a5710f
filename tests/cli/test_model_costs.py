"""`models cost`: by day and model, and what is left today."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.cli.conftest import Tg
from tests.database_fixtures import run_apart
from tests.storage.mind_steps import call

from triplegain.domain.clock import SystemClock, to_datetime
from triplegain.domain.spending_limits import SpendingLimits
from triplegain.storage.database import Database
from triplegain.storage.model_ledger import ModelLedger

DAY_NS = 86_400 * 10**9


@pytest.fixture
def costs(database_url: str, home: object, monkeypatch: pytest.MonkeyPatch) -> int:
    """Now: gpt cost 0.03 and 0.01, grok is out with 0.50. Two days ago gpt cost 0.04. Returns the wall time."""
    monkeypatch.setenv("TRIPLEGAIN_DATABASE_URL", database_url)
    now_ns = SystemClock().now_ns()

    async def spend() -> None:
        database = await Database.connect(database_url)
        ledger = ModelLedger(database, SpendingLimits(per_decision_usd=Decimal(5)))
        for name, paid, at_ns in (
            ("k-1", "0.03", now_ns),
            ("k-2", "0.01", now_ns),
            ("k-3", "0.04", now_ns - 2 * DAY_NS),
        ):
            made = call(name, cost=paid, started_at_ns=at_ns)
            assert await ledger.reserve(made) is None
            await ledger.settle(made)
        assert await ledger.reserve(call("k-4", model="grok", reserved="0.50", started_at_ns=now_ns)) is None
        await database.close()

    run_apart(spend())
    return now_ns


def test_a_program_reads_what_was_spent_and_what_is_left(tg: Tg, costs: int) -> None:
    found = tg("models", "cost", "--json").json
    assert found["today"] == to_datetime(costs).date().isoformat()
    # 0.03 + 0.01 spent and 0.50 set aside: 0.54 of 5.
    assert [found[name] for name in ("per_day_usd", "used_today_usd", "left_today_usd")] == ["5", "0.54", "4.46"]
    assert [
        (each["model"], each["calls"], each["unsettled"], each["spent_usd"], each["reserved_usd"])
        for each in found["costs"]
    ] == [("gpt", 2, 0, "0.04", "0"), ("grok", 1, 1, "0", "0.5"), ("gpt", 1, 0, "0.04", "0")]
    assert [each["model"] for each in tg("models", "cost", "--days", "2", "--json").json["costs"]] == ["gpt", "grok"]


def test_eyes_see_days_models_and_what_is_left(tg: Tg, costs: int) -> None:
    shown = tg("models", "cost").out
    for words in ("gpt", "0.0400", "0.5000 in 1", "Today (UTC) 0.5400 of 5.00 USD spent or set aside, 4.4600 left"):
        assert words in shown, words
    assert tg("models", "cost", "--days", "0").code == 2


def test_before_the_first_call_nothing_is_spent(
    tg: Tg, home: object, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPLEGAIN_DATABASE_URL", empty_database_url)
    shown = tg("models", "cost").out
    assert "No model has been asked in these days." in shown
    assert "0.0000 of 5.00 USD spent or set aside, 5.0000 left" in shown
