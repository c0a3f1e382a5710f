"""Where a record has a hole, and where its market was only quiet.

Kraken publishes no candle for an interval in which nobody traded, and most files leave such intervals out. So a record
is judged by its own market: how often it is quiet says for how long it may have been.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

#: A silence that so many rows would bring less often than once in a thousand such records is none.
_ONCE_IN = 1000
#: A market that trades in nearly every interval, so many in a hundred, is never quiet.
_BUSY_PCT = 99
_DIGITS = 60


def longest_quiet(rows: int, intervals: int) -> int:
    """The most intervals in a row without a candle that are no hole, in a record of so many rows, from the first to the
    last of so many intervals. 0: every missing candle is a hole.

    With a share p of empty intervals, N rows bring N p^L silences of L intervals; below 0.001 it is a hole, and so is
    any missing candle where p is under 1 %.
    """
    empty = intervals - rows
    if rows <= 0 or intervals * (100 - _BUSY_PCT) > empty * 100:
        return 0
    with localcontext(prec=_DIGITS):
        # Never a whole number, so no rounding decides: N x 1000 x a^L = b^L has no solution with N a multiple of b - a.
        lengths = Decimal(rows * _ONCE_IN).ln() / (Decimal(intervals) / empty).ln()
        return int(lengths)
