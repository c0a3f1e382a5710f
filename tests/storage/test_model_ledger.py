"""The cost ledger: never above a limit, whoever asks at the same time, and nothing forgotten after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.storage.mind_steps import call
from tests.storage.scripted_session import START_NS

from triplegain.domain.agent_records import ModelCall, OverBudget
from triplegain.domain.spending_limits import SpendingLimits
from triplegain.llm.attempt import Spending
from triplegain.storage.database import Database
from triplegain.storage.errors import StorageError
from triplegain.storage.model_ledger import ModelLedger, read_model_costs, round_of
from triplegain.storage.rows import read

#: START_NS is 2023-11-14, 22:13:20 UTC; 6400 s later the next day begins.
TODAY = date(2023, 11, 14)
MIDNIGHT_NS = START_NS + 6_400 * 10**9
ROOMY = SpendingLimits(per_decision_usd=Decimal(100))


@pytest.fixture
def ledger(database: Database) -> ModelLedger:
    return ModelLedger(database, SpendingLimits())


@pytest.fixture
async def second(database_url: str) -> AsyncIterator[Database]:
    """Another process's connections."""
    database = await Database.connect(database_url)
    yield database
    await database.close()


async def calls(database: Database) -> list[ModelCall]:
    """Those that are over, the latest first."""
    found = await database.rows("", "SELECT * FROM model_calls ORDER BY started_at DESC, call_id")
    return [read(ModelCall, row) for row in found]


async def used(database: Database) -> Decimal:
    return (await read_model_costs(database, TODAY, 1)).used_today


def test_it_is_the_cost_ledger_that_models_ask(ledger: ModelLedger) -> None:
    spending: Spending = ledger
    assert spending is ledger


async def test_a_reservation_becomes_the_cost(ledger: ModelLedger, database: Database) -> None:
    assert await ledger.reserve(call(reserved="0.10")) is None
    assert await used(database) == Decimal("0.10")
    await ledger.settle(call(reserved="0.10", cost="0.0417"))
    assert await used(database) == Decimal("0.0417")
    # Times of the wall are kept to the microsecond.
    assert await calls(database) == [call(reserved="0.10", cost="0.0417")]


async def test_settling_twice_counts_and_stores_once(ledger: ModelLedger, database: Database) -> None:
    await ledger.reserve(call())
    await asyncio.gather(*(ledger.settle(call(cost=cost)) for cost in ("0.04", "0.04", "0.04")))
    await ledger.settle(call(cost="0.09"))
    assert await used(database) == Decimal("0.04")
    assert [each.cost_usd for each in await calls(database)] == [Decimal("0.04")]


async def test_asking_twice_for_one_call_sets_aside_once_and_never_pays_twice(
    ledger: ModelLedger, database: Database
) -> None:
    assert await ledger.reserve(call()) is None
    assert await ledger.reserve(call()) is None
    assert await used(database) == Decimal("0.10")
    await ledger.settle(call())
    assert await ledger.reserve(call()) == OverBudget("this call has been made and paid already")


async def test_a_call_without_a_reservation_is_booked_all_the_same(ledger: ModelLedger, database: Database) -> None:
    await ledger.settle(call(cost="0.04"))
    assert await used(database) == Decimal("0.04")
    assert len(await calls(database)) == 1


async def test_parallel_callers_of_two_processes_never_go_above_the_day(database: Database, second: Database) -> None:
    """60 calls of 0.13 ask at once: 38 x 0.13 = 4.94 fit in 5, the 39th would make it 5.07."""
    ledgers = [ModelLedger(each, ROOMY) for each in (database, second)]
    asked = [ledgers[n % 2].reserve(call(f"k-{n}", request_id=f"decision/{n}/gpt", reserved="0.13")) for n in range(60)]
    refusals = [each for each in await asyncio.gather(*asked) if each is not None]
    assert len(refusals) == 60 - 38
    assert await used(database) == Decimal("4.94")
    assert "5.00 USD a day has no room until 00:00 UTC: 4.9400 spent or set aside, 0.1300 needed" in refusals[0].reason


async def test_parallel_callers_never_go_above_the_day_while_others_settle(
    database: Database, second: Database
) -> None:
    """At most 0.50 for all at once, and every call costs what was set aside: 10 calls of 0.05 and no more, ever."""
    ledgers = [ModelLedger(each, SpendingLimits(per_day_usd=Decimal("0.50"))) for each in (database, second)]
    made = []

    async def one(n: int) -> None:
        wanted = call(f"k-{n}", request_id=f"decision/{n}/gpt", reserved="0.05", cost="0.05")
        if await ledgers[n % 2].reserve(wanted) is None:
            made.append(n)
            assert await used(database) <= Decimal("0.50")
            await ledgers[n % 2].settle(wanted)

    await asyncio.gather(*(one(n) for n in range(40)))
    assert len(made) == 10
    assert await used(database) == Decimal("0.50")


async def test_parallel_calls_of_one_decision_share_its_limit(ledger: ModelLedger, database: Database) -> None:
    """0.50 a decision: four of six calls of 0.12 fit (0.48); another decision has its own."""
    models = ("a", "b", "c", "d", "e", "f")
    found = await asyncio.gather(
        *(ledger.reserve(call(f"k-{each}", request_id=f"decision/7/{each}", reserved="0.12")) for each in models)
    )
    assert sum(each is None for each in found) == 4
    refusal = next(each for each in found if each)
    assert "0.50 USD a decision has no room: 0.4800 spent or set aside" in refusal.reason
    assert await ledger.reserve(call("k-8", request_id="decision/8/a", reserved="0.12")) is None
    # The same round of another session is another decision.
    assert await ledger.reserve(call("k-9", request_id="decision/7/a", reserved="0.12", session_id="b")) is None


async def test_a_limit_may_be_reached_exactly(ledger: ModelLedger) -> None:
    assert await ledger.reserve(call("k-1", reserved="0.30")) is None
    assert await ledger.reserve(call("k-2", reserved="0.20")) is None
    assert await ledger.reserve(call("k-3", reserved="0.000001")) is not None


async def test_what_was_never_settled_counts_in_full_after_a_crash(database: Database, second: Database) -> None:
    before = ModelLedger(database, ROOMY)
    for n in range(4):
        await before.reserve(call(f"k-{n}", reserved="1.20"))
    # 4 x 1.20 = 4.80 lie on disk; whoever starts next has 0.20 left.
    after = ModelLedger(second, ROOMY)
    assert await after.reserve(call("k-4", reserved="0.21")) is not None
    assert await after.reserve(call("k-5", reserved="0.20")) is None
    costs = await read_model_costs(second, TODAY, 1)
    assert (costs.used_today, costs.left_today(Decimal(5)), costs.costs[0].unsettled) == (Decimal(5), Decimal(0), 5)


async def test_a_new_day_has_its_own_budget(database: Database) -> None:
    ledger = ModelLedger(database, ROOMY)
    assert await ledger.reserve(call("k-1", reserved="5", started_at_ns=MIDNIGHT_NS - 1)) is None
    assert await ledger.reserve(call("k-2", reserved="0.01", started_at_ns=MIDNIGHT_NS - 1)) is not None
    assert await ledger.reserve(call("k-3", reserved="5", started_at_ns=MIDNIGHT_NS)) is None
    # Settled after midnight, a call of yesterday is yesterday's.
    await ledger.settle(call("k-1", reserved="5", cost="4", started_at_ns=MIDNIGHT_NS - 1))
    costs = await read_model_costs(database, date(2023, 11, 15), 2)
    assert [(each.day.day, each.spent_usd, each.reserved_usd) for each in costs.costs] == [
        (15, Decimal(0), Decimal(5)), (14, Decimal(4), Decimal(0)),
    ]  # fmt: skip


async def test_what_costs_nothing_is_never_over_a_budget_and_what_is_unknown_always(ledger: ModelLedger) -> None:
    await ledger.reserve(call("k-1", reserved="0.5"))
    assert await ledger.reserve(call("k-2", reserved="0")) is None
    for wrong in ("NaN", "Infinity", "-0.01"):
        refusal = await ledger.reserve(call("k-3", reserved=wrong))
        assert refusal is not None
        assert "not known" in refusal.reason
    with pytest.raises(StorageError):
        await ledger.settle(call("k-1", cost="-1"))


async def test_the_user_is_warned_once_a_day(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    ledger = ModelLedger(database, ROOMY)
    await ledger.reserve(call("k-1", reserved="3.99"))
    assert (ledger.warning, caplog.messages) == ("", [])
    await ledger.reserve(call("k-2", reserved="0.01"))
    # Below the mark and above it again: the user knows.
    await ledger.settle(call("k-2", reserved="0.01", cost="0"))
    assert ledger.warning == ""
    await ledger.reserve(call("k-3", reserved="0.51"))
    assert ledger.warning == "models have cost 4.50 of 5.00 USD on 2023-11-14 (UTC)"
    assert caplog.messages == ["models have cost 4.00 of 5.00 USD on 2023-11-14 (UTC)"]
    await ledger.reserve(call("k-4", reserved="0.50", started_at_ns=MIDNIGHT_NS))
    await ledger.settle(call("k-3", reserved="0.51", cost="0.40"))
    assert ledger.warning == ""


async def test_a_question_that_the_database_cannot_hold_is_kept(ledger: ModelLedger, database: Database) -> None:
    await ledger.settle(replace(call(), request={"user": "a\0\ud800"}))
    (found,) = await calls(database)
    assert found.request == {"user": "a\ufffd\ufffd"}


@pytest.mark.parametrize(
    ("request_id", "said"), [("decision/12/gpt", "decision/12"), ("conflict", "conflict"), ("/x", "/x")]
)
def test_the_round_is_what_stands_before_the_last_slash(request_id: str, said: str) -> None:
    assert round_of(request_id) == said
