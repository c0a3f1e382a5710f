"""Candles of any length from trades and shorter candles."""
