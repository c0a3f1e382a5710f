"""Trades that are added up make the candles that they make one by one, late ones and those of earlier candles too."""

from __future__ import annotations

from random import Random

from triplegain.agents.baselines.choice import baselines
from triplegain.agents.ema_baseline import BaselineSettings
from triplegain.domain.clock import MINUTE_NS, NEVER, SECOND_NS
from triplegain.domain.market import MarketDepth, PublicTrade
from triplegain.domain.orders import Side
from triplegain.feeds.captures.event_columns import read, written
from triplegain.market.candles.symbol_candles import SymbolCandles
from triplegain.market.candles.timeframe import TIMEFRAMES
from triplegain.market.candles.trade_run import TradeRun
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.indicators.suite import IndicatorSuite
from triplegain.session.baseline_trader import BaselineTrader

_SYMBOL = "BTC/USDT"
_SUITE = IndicatorSuite(IndicatorSettings())
_FRAMES = [TIMEFRAMES[name] for name in ("1m", "5m")]


def _trade(time_ns: int, price: int, lots: int) -> PublicTrade:
    return PublicTrade(_SYMBOL, time_ns, time_ns, price, lots, Side.BUY)


def _run(trades: list[PublicTrade]) -> TradeRun:
    return TradeRun.of(read(written(trades)).rows_of(), range(len(trades)))


def test_the_newest_price_is_the_last_of_its_moment() -> None:
    """Told at 5, 9, 9 and 7 s: the newest are those of 9 s, and 103 comes after 102. 4 + 3 + 2 + 1 lots."""
    told = [(5, 101, 4), (9, 102, 3), (9, 103, 2), (7, 99, 1)]
    run = _run([_trade(second * SECOND_NS, price, lots) for second, price, lots in told])
    assert (run.earliest_ns, run.newest_ns, run.volume, run.count) == (5 * SECOND_NS, 9 * SECOND_NS, 10, 4)
    assert run.prices == (101, 103, 99, 103)
    assert [trade.price for trade in run.trades()] == [101, 102, 103, 99]


def _minutes(chance: Random) -> list[list[PublicTrade]]:
    """A minute's trades after the other, some of them late, one in four told after the minute."""
    return [
        [
            _trade(
                max(minute * MINUTE_NS + chance.randrange(MINUTE_NS) - chance.choice((0, 0, 0, 40 * SECOND_NS)), 0),
                chance.randrange(90, 110),
                chance.randrange(1, 50),
            )
            for _ in range(chance.randrange(1, 12))
        ]
        for minute in range(12)
    ]


def test_candles_are_those_of_the_trades_one_by_one() -> None:
    for seed in range(60):
        one, other = (SymbolCandles(_SYMBOL, _FRAMES, 50, _SUITE) for _ in range(2))
        decided: list[list[object]] = [[], []]
        traders = []
        for told in decided:
            agents = baselines(BaselineSettings(), {_SYMBOL: MarketDepth.BOOK})
            traders.append(BaselineTrader(agents, MINUTE_NS, lambda *answer, told=told: told.append(answer)))
        assert traders[1].decides_from_ns(_SYMBOL) == 0 and traders[1].decides_from_ns("XRP/USDT") == NEVER
        for minute, trades in enumerate(_minutes(Random(seed))):
            for candles, trader in zip((one, other), traders, strict=True):
                candles.begin(minute * MINUTE_NS)
                candles.advance(minute * MINUTE_NS)
                trader.advance_to(minute * MINUTE_NS)
            for trade in trades:
                one.on_trade(trade)
                traders[0].on_event(trade)
            # The first may begin a candle, and is told as a message.
            other.on_trades(_run(trades))
            traders[1].on_event(trades[0])
            if trades[1:]:
                traders[1].on_trades(_run(trades[1:]))
            assert [each.seen() for each in one.unfinished.values()] == [
                each.seen() for each in other.unfinished.values()
            ], seed
        assert one.series["1m"].history.last_close == other.series["1m"].history.last_close
        assert decided[0] == decided[1] and decided[0]
        assert traders[0]._state(_SYMBOL) == traders[1]._state(_SYMBOL)
