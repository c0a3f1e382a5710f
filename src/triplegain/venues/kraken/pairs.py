"""Instruments as Kraken's AssetPairs describes them, kept in a file for starts without a connection."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.fees import KRAKEN_SPOT_FEES, FeeSchedule, FeeTier
from triplegain.domain.instrument import Instrument
from triplegain.domain.values import usable
from triplegain.market.feed import FeedError
from triplegain.venues.kraken.wire.rest import (
    AssetPair,
    FeeRow,
    our_asset,
    our_symbol,
    read_pairs,
    read_reply,
    write_pairs,
)

CACHE_NAME = "kraken_pairs.json"

#: Parts per million in a percent.
_PPM = 10_000


def pairs_of(asset_pairs_reply: bytes) -> dict[str, AssetPair]:
    """The pairs of a reply by our symbol. Raises FeedError if it is none."""
    try:
        rows = read_pairs(read_reply(asset_pairs_reply).result)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FeedError(f"Kraken's list of pairs cannot be read: {error}") from error
    return {symbol_of_pair(row): row for row in rows.values()}


def symbol_of_pair(row: AssetPair) -> str:
    return our_symbol(row.wsname) if row.wsname else f"{our_asset(row.base)}/{our_asset(row.quote)}"


def instruments_of(asset_pairs_reply: bytes, symbols: Iterable[str]) -> dict[str, Instrument]:
    """The instruments asked for, in that order. Raises FeedError naming those Kraken does not trade."""
    rows = pairs_of(asset_pairs_reply)
    wanted = tuple(symbols)
    missing = [symbol for symbol in wanted if symbol not in rows]
    if missing:
        raise FeedError(f"Kraken does not list {', '.join(missing)}: check `instruments` in market.yaml")
    return {symbol: instrument_of(rows[symbol]) for symbol in wanted}


def instrument_of(row: AssetPair) -> Instrument:
    """The rules of one pair. Raises FeedError if they cannot be used."""
    symbol = symbol_of_pair(row)
    try:
        return Instrument(
            symbol,
            usable(Decimal(row.tick_size) if row.tick_size else Decimal(1).scaleb(-row.pair_decimals)),
            usable(Decimal(1).scaleb(-row.lot_decimals)),
            usable(Decimal(row.ordermin)),
            usable(Decimal(row.costmin)),
            cost_decimals=row.cost_decimals,
            fees=fee_schedule(row.fees, row.fees_maker),
            leverages=(tuple(row.leverage_buy), tuple(row.leverage_sell)),
            position_limits=(usable(row.long_position_limit), usable(row.short_position_limit)),
        )
    except (InvalidValueError, InvalidOperation) as error:
        raise FeedError(f"Kraken's rules for {symbol} cannot be used: {error}") from error


def fee_schedule(taker: list[FeeRow], maker: list[FeeRow]) -> FeeSchedule:
    """Both tables as one; without a maker table everybody pays the taker's rate, without either Kraken's standard."""
    if not taker:
        return KRAKEN_SPOT_FEES
    volumes = sorted({usable(row.volume) for row in (*taker, *maker)})
    tiers = [FeeTier(int(volume), _rate(maker or taker, volume), _rate(taker, volume)) for volume in volumes]
    return FeeSchedule(tuple(tiers))


def _rate(rows: list[FeeRow], volume: Decimal) -> int:
    """Millionths of the notional at this volume."""
    percent = next((row.percent for row in reversed(rows) if row.volume <= volume), rows[0].percent)
    return int(usable(percent) * _PPM)


def save_pairs(folder: Path, asset_pairs_reply: bytes) -> None:
    """Keep a reply's pairs beside those kept earlier; the file is replaced whole. Raises OSError."""
    rows = _kept(folder) | pairs_of(asset_pairs_reply)
    path = folder / CACHE_NAME
    written = path.with_name(f"{CACHE_NAME}.{os.getpid()}.tmp")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with written.open("wb") as file:
            file.write(write_pairs(dict(sorted(rows.items()))))
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)


def kept_pairs(folder: Path, symbols: Iterable[str]) -> bytes | None:
    """A reply with these pairs from an earlier start; None if one of them was never seen."""
    rows: Mapping[str, AssetPair] = _kept(folder)
    wanted = tuple(symbols)
    if any(symbol not in rows for symbol in wanted):
        return None
    return write_pairs({symbol: rows[symbol] for symbol in wanted})


def _kept(folder: Path) -> dict[str, AssetPair]:
    """What the file holds; nothing if it is absent or damaged, for the exchange will be asked again."""
    try:
        return pairs_of((folder / CACHE_NAME).read_bytes())
    except (OSError, FeedError):
        return {}
