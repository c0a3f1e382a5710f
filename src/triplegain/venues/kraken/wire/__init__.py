"""Kraken's messages: types, one reader, one writer, names and errors."""
