"""The compact rendering: what fits into a model's budget of tokens. What goes first are the oldest candles."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from triplegain.domain.clock import SECOND_NS, iso
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import text
from triplegain.market.snapshot.book_features import BookFeatures
from triplegain.market.snapshot.figures import NULL, fixed, significant
from triplegain.market.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from triplegain.market.snapshot.frame import ClosedFrame


_LETTERS = re.compile(r"[A-Za-z]")


def tokens_at_most(text: str) -> int:
    """A token for every byte that is no letter, and one for every two letters.

    Some models take each digit for a token of its own, so a share of the bytes alone would be far too low for tables.
    The sum over parts of a text is not less than the whole.
    """
    letters = len(_LETTERS.findall(text))
    return len(text.encode()) - letters + (letters + 1) // 2


#: Candles are cut in so many equal steps, each timeframe in proportion.
_SHARES = 64
_DIGITS = 4
#: The number of candles shown has at most so many digits more than 0.
_COUNT_TOKENS = 4


def compact(snapshot: Snapshot, token_budget: int) -> str:
    """JSON of at most `token_budget` tokens. It names the hash of the full snapshot, which an answer must repeat.

    As many candles as fit stay: the latest ones, every timeframe keeping the same share of those it has. If none fits,
    indicators go, timeframe by timeframe from the finest, the primary one last. The head and the flags always stay:
    InvalidValueError if the budget does not even hold them.
    """
    head = _head(snapshot)
    primary_first = sorted(snapshot.timeframes, key=lambda name: name != snapshot.primary)
    frames = [snapshot.timeframes[name].closed for name in primary_first]
    table = _table(frames)
    costs = [[tokens_at_most(row) + 1 for row in frame.brief_rows] for frame in frames]
    left = token_budget - tokens_at_most(_joined(head, table, [(frame, 0) for frame in frames])) - _COUNT_TOKENS
    for share in range(_SHARES, -1, -1):
        kept = [len(rows) * share // _SHARES for rows in costs]
        if sum(sum(rows[len(rows) - keep :]) for rows, keep in zip(costs, kept, strict=True)) <= left:
            return _joined(head, table, list(zip(frames, kept, strict=True)))
    fewer = list(frames)
    while fewer:
        fewer.remove(min(fewer, key=lambda each: (each.timeframe == snapshot.primary, each.candles[-1].length_ns)))
        written = _joined(head, _table(fewer), [(frame, 0) for frame in frames])
        if tokens_at_most(written) <= token_budget:
            return written
    least = tokens_at_most(_joined(head, _table([]), [(frame, 0) for frame in frames]))
    raise InvalidValueError(
        f"{token_budget} tokens do not hold the head of a snapshot of {snapshot.symbol}, which has {least}: "
        "raise token_budget"
    )


def _joined(head: str, table: str, frames: Sequence[tuple[ClosedFrame, int]]) -> str:
    shown = sum(keep for _, keep in frames)
    known = sum(len(frame.candles) for frame, _ in frames)
    latest = [(frame.timeframe, frame.brief_rows[len(frame.brief_rows) - keep :]) for frame, keep in frames]
    rows = ",".join(f'"{name}":[{",".join(kept)}]' for name, kept in latest)
    return f'{{{head},"candles_shown":"{shown} of {known}","indicators":{table},"ohlcv":{{{rows}}}}}'


def _table(frames: Sequence[ClosedFrame]) -> str:
    """A row for each indicator, a column for each timeframe."""
    if not frames:
        return NULL
    names = ",".join(f'"{frame.timeframe}"' for frame in frames)
    columns = [frame.brief_indicators for frame in frames]
    rows = ",".join(f'"{name}":[{",".join([column[name] for column in columns])}]' for name in columns[0])
    trends = ",".join(NULL if frame.trend is None else significant(frame.trend, 2) for frame in frames)
    return f'{{"timeframes":[{names}],"trend":[{trends}],{rows}}}'


def _head(snapshot: Snapshot) -> str:
    price, day, book = snapshot.price, snapshot.day, snapshot.book
    closes = {name: iso(frame.closed.close_time_ns)[:16] for name, frame in snapshot.timeframes.items()}
    parts = [
        f'"snapshot":"{snapshot.hash}","symbol":"{snapshot.symbol}","time":"{iso(snapshot.time_ns)[:19]}Z"',
        f'"price":{text(price.mark)},"price_source":"{price.source.value}"',
        f'"price_age_s":{significant((snapshot.time_ns - price.time_ns) / SECOND_NS, _DIGITS)}',
        f'"flags":{json.dumps(list(snapshot.flags), separators=(",", ":"))}',
        f'"alignment":{NULL if snapshot.alignment is None else significant(snapshot.alignment, 2)}',
        f'"book":{_book(book)}',
        f'"primary":"{snapshot.primary}"',
        f'"last_close":{json.dumps(closes, separators=(",", ":"))}',
    ]
    if day is not None:
        figures = f'"high":{text(day.high)},"low":{text(day.low)},"volume":{significant(float(day.volume), _DIGITS)}'
        parts.insert(3, f'"day":{{"change_pct":{fixed(day.change_pct, 2)},{figures}}}')
    return ",".join(parts)


def _book(book: BookFeatures | None) -> str:
    if book is None:
        return NULL
    depths = ",".join(
        f'"{text(depth.pct)}":[{significant(float(depth.bid_quantity), _DIGITS)},'
        f"{significant(float(depth.ask_quantity), _DIGITS)}]"
        for depth in book.depths
    )
    reach = f"[{significant(book.bids_reach_pct, _DIGITS)},{significant(book.asks_reach_pct, _DIGITS)}]"
    return (
        f'{{"bid":{text(book.bid)},"ask":{text(book.ask)},"spread_bps":{significant(book.spread_bps, _DIGITS)},'
        f'"imbalance":{significant(book.imbalance, 2)},"depth_pct":{{{depths}}},"reach_pct":{reach}}}'
    )
