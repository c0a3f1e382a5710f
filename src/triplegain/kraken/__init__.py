"""Kraken's wire: the messages of its WebSocket v2 and REST interfaces, read and written. No I/O.

The feed reads what the gateway writes: both use these types, this one reader and this one writer.
"""
