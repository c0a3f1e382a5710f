"""The paper exchange: a deterministic machine without I/O or clock that fills orders as Kraken would."""
