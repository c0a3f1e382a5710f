"""The rule of our baseline for freqtrade: EMA 9 crosses EMA 21 on closed candles, a stop 5 % below, no target."""
# mypy: ignore-errors
# ruff: noqa: RUF012

from __future__ import annotations

import talib.abstract as ta
from freqtrade.strategy import IStrategy


class Ema(IStrategy):
    INTERFACE_VERSION = 3
    minimal_roi = {"0": 10}
    stoploss = -0.05
    startup_candle_count = 30
    can_short = False

    def populate_indicators(self, dataframe, metadata):
        dataframe["fast"] = ta.EMA(dataframe, timeperiod=9)
        dataframe["slow"] = ta.EMA(dataframe, timeperiod=21)
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        above, before = dataframe.fast > dataframe.slow, dataframe.fast.shift(1) <= dataframe.slow.shift(1)
        dataframe.loc[above & before, "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        below, before = dataframe.fast < dataframe.slow, dataframe.fast.shift(1) >= dataframe.slow.shift(1)
        dataframe.loc[below & before, "exit_long"] = 1
        return dataframe
