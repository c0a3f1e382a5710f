"""Exchanges that exist outside: one folder each."""
