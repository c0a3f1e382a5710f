"""The limits of the doors against those of the schema: what is let in has a row, one more than the most has none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from pydantic import ValidationError

from triplegain.api.requests import AnalysisPage, Page, Trade
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.outside import tame
from triplegain.domain.values import (
    AMOUNT_DECIMALS,
    AMOUNT_DIGITS,
    EXPIRY_NS_MAX,
    INTEGER_MAX,
    TIME_NS_MAX,
    is_usable,
    read_amount,
)
from triplegain.storage.database import Database

LARGEST = "9" * AMOUNT_DIGITS + "." + "9" * AMOUNT_DECIMALS


async def fits(database_url: str, kind: str, value: Any) -> bool:
    """Whether a column of this type holds it."""
    database = await Database.connect(database_url)
    try:
        connection = await database.dedicated()
        try:
            found = await connection.fetchval(f"SELECT $1::text::{kind}", str(value))
            return bool(found == (Decimal(value) if kind == "amount" else value))
        except (asyncpg.PostgresError, ValueError):
            return False
        finally:
            await connection.close()
    finally:
        await database.close()


async def test_each_limit_is_one_of_the_schema_or_tighter(database_url: str) -> None:
    assert await fits(database_url, "bigint", INTEGER_MAX) and not await fits(database_url, "bigint", INTEGER_MAX + 1)
    assert await fits(database_url, "time_ns", 0) and not await fits(database_url, "time_ns", -1)
    assert await fits(database_url, "time_ns", TIME_NS_MAX + EXPIRY_NS_MAX)
    for amount in (LARGEST, "0." + "0" * (AMOUNT_DECIMALS - 1) + "1", "0"):
        assert await fits(database_url, "amount", amount), amount
    assert not await fits(database_url, "amount", "Infinity")
    assert await fits(database_url, "text", tame("a\x00b" * 100_000))
    assert not await fits(database_url, "text", "a\x00b")


def test_an_amount_is_let_in_up_to_its_largest_and_not_beyond() -> None:
    assert read_amount(LARGEST) == Decimal(LARGEST)
    assert read_amount("9" + LARGEST) is None and read_amount(LARGEST + "9") is None and read_amount("-1") is None
    assert not is_usable(Decimal("Infinity")) and not is_usable(Decimal("NaN")) and not is_usable(Decimal("1e19"))


@pytest.mark.parametrize("field", ["quantity", "price", "stop", "target"])
@pytest.mark.parametrize("amount", ["9" + LARGEST, LARGEST + "9", "-1", "0", "1e5", "\x00", 1])
def test_no_amount_of_an_order_is_beyond_the_limits(field: str, amount: object) -> None:
    order = {"symbol": "BTC/USDT", "side": "buy", "quantity": "1", "price": "1", field: amount}
    if field == "price" and amount == "-1":
        # So much below the last trade, within the same limits.
        order["price"] = f"-{LARGEST}9"
    with pytest.raises(ValidationError):
        Trade.model_validate(order)


@pytest.mark.parametrize("query", [{"task": "\x00"}, {"task": "a" * 33}, {"symbol": "\x00"}, {"symbol": "B" * 17}])
def test_a_query_names_what_a_row_can_hold(query: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        AnalysisPage.model_validate(query)
    assert AnalysisPage.model_validate({"task": "technical", "symbol": "btc/usdt"}).symbol == "BTC/USDT"


def test_a_page_begins_at_a_number_that_a_row_can_have() -> None:
    assert Page.model_validate({"after": INTEGER_MAX}).after == INTEGER_MAX
    for wrong in (-1, INTEGER_MAX + 1):
        with pytest.raises(ValidationError):
            Page.model_validate({"after": wrong})


def test_no_time_is_named_after_2200() -> None:
    asked = {"symbol": "BTC/USDT", "side": "buy", "quantity": "1", "price": "1"}
    assert Trade.model_validate({**asked, "expires": "2200-12-31T23:59:59Z"}).order("a", 0).expires_at_ns
    with pytest.raises((ValidationError, InvalidValueError)):
        Trade.model_validate({**asked, "expires": "2201-01-01T00:00:01Z"})
