"""Indicators of closed candles, begun with a history or with one candle and gone on with; both give the same numbers.

Prices are ticks and volumes lots, so that a pair quoted at 0.00002 is as exact as one at 60,000. What is not known
yet, or means nothing, is NaN in an array and None in a reading; it is never 0.
"""
