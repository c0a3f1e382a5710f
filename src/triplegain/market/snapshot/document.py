"""The full rendering: canonical JSON, put together from parts that change at different times."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal

from triplegain.domain.clock import SECOND_NS, iso
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import text
from triplegain.market.snapshot.book_features import BookFeatures
from triplegain.market.snapshot.figures import NULL, Steps, fixed
from triplegain.market.snapshot.frame import FrameSnapshot
from triplegain.market.snapshot.snapshot import DayFigures, SnapshotPrice

#: Of this layout. A number, so that stored snapshots can be told apart.
VERSION = 1


def document(
    instrument: Instrument,
    time_ns: int,
    price: SnapshotPrice,
    day: DayFigures | None,
    frames: Mapping[str, FrameSnapshot],
    names: Iterable[str],
    primary: str,
    book: BookFeatures | None,
    alignment: float | None,
    flags: Iterable[str],
) -> str:
    """Keys sorted, no blanks. A timeframe of `names` without candles is null."""
    parts = [f'"{name}":{frames[name].json(time_ns) if name in frames else NULL}' for name in sorted(names)]
    return (
        f'{{"alignment":{NULL if alignment is None else fixed(alignment)},"book":{book_json(book, instrument)},'
        f'"day":{day_json(day)},"flags":{json.dumps(list(flags), separators=(",", ":"))},'
        f'"price":{price_json(price, time_ns)},"primary":"{primary}","symbol":"{instrument.symbol}",'
        f'"time":"{iso(time_ns)}","timeframes":{{{",".join(parts)}}},"version":{VERSION}}}'
    )


def price_json(price: SnapshotPrice, now_ns: int) -> str:
    age = fixed((now_ns - price.time_ns) / SECOND_NS)
    return (
        f'{{"age_s":{age},"ask":{_money(price.ask)},"bid":{_money(price.bid)},"last":{_money(price.last)},'
        f'"mark":{_money(price.mark)},"source":"{price.source.value}","time":"{iso(price.time_ns)}"}}'
    )


def day_json(day: DayFigures | None) -> str:
    if day is None:
        return NULL
    return (
        f'{{"change_pct":{fixed(day.change_pct)},"high":{_money(day.high)},"low":{_money(day.low)},'
        f'"timeframe":"{day.timeframe}","volume":{_money(day.volume)}}}'
    )


def book_json(book: BookFeatures | None, instrument: Instrument) -> str:
    if book is None:
        return NULL
    asks = ",".join(f'"{text(depth.pct)}":{_money(depth.ask_quantity)}' for depth in book.depths)
    bids = ",".join(f'"{text(depth.pct)}":{_money(depth.bid_quantity)}' for depth in book.depths)
    weighted = Steps(instrument.tick).rounded(book.weighted_mid / float(instrument.tick))
    return (
        f'{{"ask":{_money(book.ask)},"ask_depth":{{{asks}}},"asks_reach_pct":{fixed(book.asks_reach_pct)},'
        f'"bid":{_money(book.bid)},"bid_depth":{{{bids}}},"bids_reach_pct":{fixed(book.bids_reach_pct)},'
        f'"imbalance":{fixed(book.imbalance)},"imbalance_pct":{fixed(book.imbalance_pct)},"mid":{_money(book.mid)},'
        f'"spread_bps":{fixed(book.spread_bps)},"weighted_mid":{weighted}}}'
    )


def _money(value: Decimal | None) -> str:
    return NULL if value is None else f'"{text(value)}"'
