"""What a stream needs from its connection to be whole again. A replay has nobody to ask and leaves them be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BookWanted:
    """A new snapshot of an instrument's book: subscribe to it, after unsubscribing where it was subscribed."""

    symbol: str


@dataclass(frozen=True, slots=True)
class TradesWanted:
    """Public trades after that time, by REST: the tape has a hole."""

    symbol: str
    since_ns: int


StreamRequest = BookWanted | TradesWanted
