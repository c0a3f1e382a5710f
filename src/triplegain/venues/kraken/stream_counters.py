"""What a live stream has counted since it began."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class StreamCounters:
    """Counts; every one of them but the first three should stay small."""

    frames: int = 0
    book_updates: int = 0
    trades: int = 0
    #: Books whose checksum was wrong.
    mismatches: int = 0
    #: Books that were crossed though their checksum was right.
    crossed: int = 0
    #: Messages that cannot be read, or hold numbers that cannot be.
    garbage: int = 0
    #: Messages of a kind or of an instrument nobody asked for.
    unknown: int = 0
    #: Messages and trades that had been told before.
    duplicates: int = 0
    #: Book messages older than the one before.
    reordered: int = 0
    #: Holes in the numbers of trades, trades that came late and filled one, trades that never came.
    gaps: int = 0
    late_trades: int = 0
    lost_trades: int = 0
    #: Book updates that came while the book waited for a snapshot.
    skipped: int = 0
    #: Book updates left out because the session was too slow, and how often that was.
    dropped: int = 0
    overruns: int = 0
    #: Connections that ended.
    reconnects: int = 0
    #: Connections that fell silent.
    silences: int = 0
    #: Subscriptions Kraken refused.
    refusals: int = 0
    #: Messages from too far in the future.
    leaps: int = 0

    def words(self) -> str:
        """The connection in a few words: how much came, and what was wrong, where anything was."""
        troubles = (
            (self.reconnects, "reconnect", "reconnects"),
            (self.mismatches, "wrong checksum", "wrong checksums"),
            (self.crossed, "crossed book", "crossed books"),
            (self.silences, "silence", "silences"),
            (self.garbage, "unreadable message", "unreadable messages"),
            (self.gaps, "hole in the tape", "holes in the tape"),
            (self.lost_trades, "trade lost", "trades lost"),
            (self.dropped, "book update dropped", "book updates dropped"),
        )
        told = [f"{count:,} {one if count == 1 else many}" for count, one, many in troubles if count]
        return ", ".join([f"{self.frames:,} messages", *told])
