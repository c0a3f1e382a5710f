"""The rules of a served pair, as AssetPairs and the instrument channel say them."""

from __future__ import annotations

from decimal import Decimal

from triplegain.domain.money import plain
from triplegain.gateway.served_market import ServedMarket
from triplegain.venues.kraken.wire.names import asset_id, kraken_altname, kraken_symbol
from triplegain.venues.kraken.wire.rest import AssetPair, FeeRow
from triplegain.venues.kraken.wire.writer import PairRules, fixed

#: Parts per million of a rate in one percent.
_PPM_IN_PERCENT = Decimal(10_000)

_LEVERAGE = list(range(2, 11))


def asset_pair(market: ServedMarket) -> AssetPair:
    """A pair of AssetPairs; leverage and limits are those recorded of BTC/USDT."""
    instrument = market.instrument
    tiers = instrument.fees.tiers
    return AssetPair(
        altname=kraken_altname(instrument.symbol),
        wsname=kraken_symbol(instrument.symbol),
        aclass_base="currency",
        base=asset_id(instrument.base),
        aclass_quote="currency",
        quote=asset_id(instrument.quote),
        lot="unit",
        cost_decimals=instrument.fee_decimals,
        pair_decimals=market.price_places,
        lot_decimals=market.quantity_places,
        lot_multiplier=1,
        leverage_buy=_LEVERAGE,
        leverage_sell=_LEVERAGE,
        fees=[FeeRow(Decimal(tier.volume_usd), plain(tier.taker_ppm / _PPM_IN_PERCENT)) for tier in tiers],
        fees_maker=[FeeRow(Decimal(tier.volume_usd), plain(tier.maker_ppm / _PPM_IN_PERCENT)) for tier in tiers],
        fee_volume_currency="ZUSD",
        margin_call=80,
        margin_stop=40,
        ordermin=f"{plain(instrument.quantity_min):f}",
        costmin=f"{plain(instrument.cost_min):f}",
        tick_size=f"{plain(instrument.tick):f}",
        status=market.status,
        execution_venue="international",
        long_position_limit=Decimal(80),
        short_position_limit=Decimal(80),
    )


def pair_rules(market: ServedMarket) -> PairRules:
    """The same pair for the instrument channel."""
    instrument = market.instrument
    return PairRules(
        symbol=instrument.symbol,
        base=instrument.base,
        quote=instrument.quote,
        status=market.status,
        price_places=market.price_places,
        quantity_places=market.quantity_places,
        cost_places=instrument.fee_decimals,
        price_increment=fixed(1, market.price_places),
        quantity_increment=fixed(1, market.quantity_places),
        quantity_min=fixed(instrument.lots_min, market.quantity_places),
        cost_min=f"{plain(instrument.cost_min):f}",
    )
