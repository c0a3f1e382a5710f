"""The risk engine: how many proposals it judges in a second, and how long the slowest take.

usage: risk.py [PROPOSALS]

Proposals, portfolios and markets are drawn from a fixed seed: sane ones that are approved, reduced and refused, in
three markets, and one in ten with a number that cannot be. Each is judged by one engine in the midst of its life
(losses in a row, a cool-down, located exposure). CPU time; `wall_p99_ms` tells how busy the machine was beside it.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS, Instrument
from triplegain.domain.orders import Limit, Market, Side
from triplegain.domain.proposal import Intent, Regime, TradeProposal
from triplegain.risk.engine import RiskEngine
from triplegain.risk.limits import RiskLimits
from triplegain.risk.state import RiskMemory
from triplegain.risk.views import MarketFigures, PortfolioView

D = Decimal
SECOND_NS = 10**9
START_NS = 1_621_382_400 * SECOND_NS
PRICES = {"BTC/USDT": D(43_000), "XRP/USDT": D("1.6"), "XRP/BTC": D("0.0000372")}
QUOTE_USD = {"BTC/USDT": D(1), "XRP/USDT": D(1), "XRP/BTC": D(43_000)}
IMPOSSIBLE = [D("NaN"), D("sNaN"), D("Infinity"), D(0), D(-1), D("1e999999"), D("1e-999999"), D("1." + "1" * 99)]
INTENTS = [Intent.OPEN] * 8 + [Intent.REBALANCE, Intent.CLOSE]

Case = tuple[TradeProposal, PortfolioView, MarketFigures]


def on_tick(instrument: Instrument, price: Decimal) -> Decimal:
    return instrument.price(max(1, int(price / instrument.tick)))


def drawn(draw: Random) -> Case:
    instrument = draw.choice(KRAKEN_OFFLINE_DEFAULTS)
    symbol = instrument.symbol
    bid = on_tick(instrument, PRICES[symbol] * draw.randrange(9_000, 11_000) / 10_000)
    ask = bid + instrument.tick
    stop = on_tick(instrument, ask * draw.randrange(9_600, 9_960) / 10_000)
    target = on_tick(instrument, ask + (ask - stop) * draw.randrange(14, 30) / 10)
    intent = draw.choice(INTENTS)
    proposal = TradeProposal(
        symbol,
        Side.SELL if intent is Intent.CLOSE else Side.BUY,
        intent,
        draw.choice((Market(), Limit(ask))),
        quantity=draw.choice((None, D(draw.randrange(1, 3_000)) / ask / QUOTE_USD[symbol])),
        entry=ask,
        stop=stop if draw.randrange(20) else None,
        target=target,
        leverage=draw.randrange(1, 6),
        confidence=D(draw.randrange(65, 101)) / 100,
        regime=draw.choice(list(Regime)),
    )
    equity = D(draw.randrange(945_000, 1_000_000)) / 100
    exposures = {each: D(draw.randrange(300_000)) / 100 for each in draw.sample(list(PRICES), draw.randrange(3))}
    portfolio = PortfolioView(
        equity,
        sum(exposures.values(), D(0)),
        draw.choice((0, 1, 2, 3, 5)),
        draw.choice((0, 0, 1, 2)),
        D(draw.randrange(1_000_000)) / 100,
        D(draw.randrange(1_000)) / 100,
        exposure_by_symbol=exposures,
        margin_available=D(5_000),
    )
    market = MarketFigures(
        instrument, bid, ask, bid, QUOTE_USD[symbol], D("0.004"), "" if draw.randrange(20) else "the book lost its sync"
    )
    return spoilt(draw, proposal, portfolio, market) if not draw.randrange(10) else (proposal, portfolio, market)


def spoilt(draw: Random, proposal: TradeProposal, portfolio: PortfolioView, market: MarketFigures) -> Case:
    """The same with one number that cannot be."""
    value = draw.choice(IMPOSSIBLE)
    number: dict[str, Any] = {}
    match draw.randrange(3):
        case 0:
            number[draw.choice(("quantity", "entry", "stop", "target", "confidence"))] = value
            proposal = replace(proposal, **number)
        case 1:
            number[draw.choice(("equity", "exposure", "free_quote", "margin_used"))] = value
            portfolio = replace(portfolio, **number)
        case _:
            number[draw.choice(("bid", "ask", "last", "quote_usd", "taker_fee"))] = value
            market = replace(market, **number)
    return proposal, portfolio, market


def main(count: int) -> None:
    draw = Random(1)
    engine = RiskEngine(RiskLimits(), RiskMemory.opening(D(10_000), START_NS))
    for minute in range(60):
        engine.on_atr("BTC/USDT", 100.0, START_NS + minute * 60 * SECOND_NS)
    for symbol in ("XRP/USDT", "XRP/BTC"):
        engine.on_closed(symbol, D(-1), START_NS)
    engine.on_opened("XRP/BTC", START_NS + 3_600 * SECOND_NS)
    now_ns = START_NS + 3_610 * SECOND_NS
    cases = [drawn(draw) for _ in range(count)]
    gc.collect()
    gc.freeze()

    began = time.process_time()
    verdicts = [engine.assess(*case, now_ns) for case in cases]
    cpu_s = time.process_time() - began
    outcomes = Counter(verdict.outcome.value for verdict in verdicts)

    cpu_ms, wall_ms = [], []
    for case in cases:
        started, cpu_started = time.perf_counter_ns(), time.thread_time_ns()
        engine.assess(*case, now_ns)
        cpu_ms.append((time.thread_time_ns() - cpu_started) / 1e6)
        wall_ms.append((time.perf_counter_ns() - started) / 1e6)
    cpu_ms.sort()
    wall_ms.sort()
    figures = {
        "proposals": count,
        "per_second_cpu": round(count / cpu_s),
        "p50_ms": round(cpu_ms[count // 2], 4),
        "p99_ms": round(cpu_ms[count * 99 // 100], 4),
        "p999_ms": round(cpu_ms[count * 999 // 1000], 4),
        "max_ms": round(cpu_ms[-1], 3),
        "wall_p99_ms": round(wall_ms[count * 99 // 100], 4),
        **dict(sorted(outcomes.items())),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
