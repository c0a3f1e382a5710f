"""Prices with their source and freshness."""
