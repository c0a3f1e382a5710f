"""The views of longer candles against a slow calculation of the recorded minutes, however late the minutes came.

The same runs on TimescaleDB where TRIPLEGAIN_TEST_TIMESCALE_URL names a server that preloads it (a database is made on
it and dropped).
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.database_fixtures import MIGRATIONS, run_apart

from triplegain.domain.candle_time import TIMEFRAMES
from triplegain.domain.clock import MINUTE_NS
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import Candle, PublicTrade
from triplegain.domain.orders import Side
from triplegain.domain.span import Span
from triplegain.feeds.captures.candles_capture import CandlesCapture
from triplegain.feeds.captures.history_batches import trade_batches
from triplegain.feeds.captures.trades_capture import FEATHER_FORMAT, TradesCapture
from triplegain.storage.database import Database
from triplegain.storage.market_history import LONGER_TIMEFRAMES, MarketAudit, MarketHistory
from triplegain.storage.market_writer import MarketWriter
from triplegain.storage.migrations import migrate

TIMESCALE_VARIABLE = "TRIPLEGAIN_TEST_TIMESCALE_URL"
ALL = Span(0, 2**62)


async def _on_server(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@pytest.fixture(params=["plain", "timescale"])
def either_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "plain":
        yield request.getfixturevalue("database_url")
        return
    server = os.environ.get(TIMESCALE_VARIABLE, "")
    if not server:
        pytest.skip(f"no TimescaleDB: {TIMESCALE_VARIABLE} names none; tests/timescale starts one with Docker")
    name = f"candle_views_{os.getpid()}"
    run_apart(_on_server(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}"))
    url = server.replace("/postgres?", f"/{name}?")
    assert "timescale/007_market_history.sql" in run_apart(migrate(url, MIGRATIONS))
    yield url
    run_apart(_on_server(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def either(either_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(either_url)
    yield database
    await database.close()


def opened(moment: datetime, name: str) -> datetime:
    """The slow way: by the calendar."""
    midnight = moment.replace(hour=0, minute=0)
    match name[-1]:
        case "w":
            return midnight - timedelta(days=midnight.weekday())
        case "d":
            return midnight
        case "h":
            return midnight + timedelta(hours=moment.hour // int(name[:-1]) * int(name[:-1]))
        case _:
            return moment.replace(minute=moment.minute // int(name[:-1]) * int(name[:-1]))


def expected(rows: list[list[Any]], name: str, end: datetime) -> dict[datetime, tuple[Decimal | int, ...]]:
    """open, high, low, close, volume, minutes of every candle that lies between the first minute and `end`."""
    groups: dict[datetime, list[list[Any]]] = defaultdict(list)
    first = datetime.fromtimestamp(rows[0][0] / 1000, UTC)
    length = timedelta(microseconds=TIMEFRAMES[name] / 1000)
    for row in rows:
        start = opened(datetime.fromtimestamp(row[0] / 1000, UTC), name)
        if first <= start and start + length <= end:
            groups[start].append(row)
    return {
        start: (
            group[0][1],
            max(row[2] for row in group),
            min(row[3] for row in group),
            group[-1][4],
            sum(row[5] for row in group),
            len(group),
        )
        for start, group in groups.items()
    }


@pytest.mark.parametrize(
    ("pair", "minutes"),
    [
        pytest.param("BTC_USDT", None, marks=pytest.mark.slow),
        pytest.param("XRP_USDT", None, marks=pytest.mark.slow),
        pytest.param("XRP_BTC", None, marks=pytest.mark.slow),
        # A week, whole.
        ("XRP_BTC", 9 * 1440),
    ],
)
async def test_every_view_is_what_a_slow_calculation_makes_of_the_minutes(
    either: Database, captures: Path, pair: str, minutes: int | None
) -> None:
    path = captures / "binance_ohlcv_1m_three_pairs_2021-05" / f"{pair}-1m.json"
    capture = CandlesCapture(path, "candles-json", pair.replace("_", "/"))
    candles = list(capture.recorded())[:minutes]
    writer = MarketWriter(either)
    # Nine blocks, the late ones first: what was aggregated before must be found again.
    size = len(candles) // 9 + 1
    for number in (7, 8, 2, 0, 5, 1, 4, 6, 3):
        block = candles[number * size : (number + 1) * size]
        after = candles[min((number + 1) * size, len(candles) - 1)]
        end = block[-1].close_time_ns if number == 8 else after.open_time_ns
        span = Span(block[0].open_time_ns, end)
        await writer.store_candles(capture.instrument, MINUTE_NS, block, [span], "recorded")
    rows = json.loads(path.read_text(), parse_float=Decimal)[:minutes]
    # Quiet minutes are no part of a candle. Volumes are cut to whole lots: less than one is lost a minute.
    rows = [row for row in rows if row[5] or row[2] != row[3]]
    lot = Decimal("1e-8")
    end_of_all = datetime.fromtimestamp(candles[-1].close_time_ns // 10**9, UTC)
    for name in TIMEFRAMES:
        found = await either.rows(
            "", f"SELECT * FROM candles_{name} WHERE symbol = $1 ORDER BY open_time_ns", capture.instrument.symbol
        )
        told = {
            datetime.fromtimestamp(row["open_time_ns"] // 10**9, UTC): tuple(
                row[column] for column in ("open", "high", "low", "close", "volume", "minutes")
            )
            for row in found
        }
        wanted = expected(rows, name, end_of_all)
        assert wanted
        assert [(start, *told[start][:4], told[start][5]) for start in told] == [
            (start, *wanted[start][:4], wanted[start][5]) for start in sorted(wanted)
        ], name
        assert all(abs(told[start][4] - volume) < count * lot for start, (*_, volume, count) in wanted.items()), name


async def test_the_views_have_one_contract(either: Database) -> None:
    columns = await either.rows(
        "",
        "SELECT table_name, array_agg(column_name || ' ' || data_type ORDER BY ordinal_position) AS columns "
        "FROM information_schema.columns WHERE table_name = ANY ($1) GROUP BY table_name",
        [f"candles_{name}" for name in TIMEFRAMES],
    )
    assert len(columns) == len(TIMEFRAMES)
    assert {tuple(row["columns"]) for row in columns} == {
        (
            "venue text", "symbol text", "open_time_ns bigint", "open numeric", "high numeric", "low numeric",
            "close numeric", "volume numeric", "vwap numeric", "trades bigint", "minutes bigint",
        )
    }  # fmt: skip


async def test_the_weighted_price_is_over_all_trades_or_not_known(either: Database, captures: Path) -> None:
    path = captures / "kraken_trades_btcusdt_2023-11" / "BTC_USDT-trades.feather"
    capture = TradesCapture(path, FEATHER_FORMAT, "BTC/USDT")
    trades = [event for event in capture.events() if isinstance(event, PublicTrade)]
    writer = MarketWriter(either)
    for batch in trade_batches(capture):
        whole = [Span(batch.rows[0].exchange_time_ns, batch.rows[-1].exchange_time_ns)]
        await writer.store_trades(capture.instrument, batch.rows, whole, "recorded")
    hours: dict[int, list[PublicTrade]] = defaultdict(list)
    for trade in trades:
        hours[trade.exchange_time_ns // TIMEFRAMES["1h"] * TIMEFRAMES["1h"]].append(trade)
    found = await either.rows("", "SELECT open_time_ns, vwap, trades, volume FROM candles_1h ORDER BY open_time_ns")
    # A hole of a second stands between two batches: that hour is not whole.
    assert len(found) >= len(hours) - 3
    for row in found:
        group = hours[row["open_time_ns"]]
        notional = sum(trade.price * trade.quantity for trade in group) * Decimal("0.1")
        quantity = sum(trade.quantity for trade in group)
        assert row["vwap"] == round(Decimal(notional) / quantity, 12)
        assert (row["trades"], row["volume"]) == (len(group), quantity * Decimal("1e-8"))
    # A minute whose weighted price nobody told makes that of its hour unknown, not wrong.
    minute = next(iter(await MarketHistory(either).candles(capture.instrument, MINUTE_NS, ALL)))
    await either.rows("", "UPDATE candles SET notional = NULL WHERE open_time_ns = $1", minute.open_time_ns)
    await writer.refresh(Span(minute.open_time_ns, minute.close_time_ns))
    hour = minute.open_time_ns // TIMEFRAMES["1h"] * TIMEFRAMES["1h"]
    rows = await either.rows("", "SELECT notional FROM candles_1h_growing WHERE open_time_ns = $1", hour)
    assert [row["notional"] for row in rows] == [None]


async def test_a_candle_that_is_not_over_grows_until_it_is(either: Database) -> None:
    btc = KRAKEN_OFFLINE_DEFAULTS[0]
    writer, audit = MarketWriter(either), MarketAudit(either)
    for minute in range(13):
        candle = Candle("BTC/USDT", minute * MINUTE_NS, MINUTE_NS, 10, 10 + minute, 10, 10, 5, 1)
        await writer.store_candles(btc, MINUTE_NS, [candle], [Span(candle.open_time_ns, candle.close_time_ns)], "x")
        growing = await either.rows("", "SELECT high, minutes FROM candles_5m_growing ORDER BY open_time_ns DESC")
        assert (growing[0]["high"], growing[0]["minutes"]) == (Decimal(10 + minute) / 10, minute % 5 + 1)
        complete = await either.rows("", "SELECT minutes FROM candles_5m")
        assert [row["minutes"] for row in complete] == [5] * ((minute + 1) // 5)
    # late: minute 2 is mended
    late = Candle("BTC/USDT", 2 * MINUTE_NS, MINUTE_NS, 10, 99, 10, 10, 5, 1)
    trades = [
        PublicTrade("BTC/USDT", late.open_time_ns + place, 0, price, 5, Side.BUY, str(place + 1))
        for place, price in enumerate((10, 99, 10))
    ]
    await writer.store_trades(btc, trades, [Span(late.open_time_ns, late.close_time_ns)], "kraken")
    (first, *_) = await either.rows("", "SELECT high FROM candles_5m ORDER BY open_time_ns")
    assert first["high"] == Decimal("9.9")
    for length in LONGER_TIMEFRAMES.values():
        assert await audit.aggregates_unlike_minutes("kraken", "BTC/USDT", length, Span(0, 20 * MINUTE_NS)) == []
