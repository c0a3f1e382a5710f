"""Candles of many lengths at once, from trades, finer candles or the exchange's own, in bounded memory."""
