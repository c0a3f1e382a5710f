"""TripleGain: paper trading on Kraken that can be trusted."""

__version__ = "0.1.0"
