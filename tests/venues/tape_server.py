"""A small Kraken that tells recorded trades over REST on loopback, with faults on demand."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import PublicTrade
from triplegain.domain.orders import Side


def written_time(time_ns: int) -> float:
    """Seconds as Kraken writes them: through a binary float."""
    return time_ns / SECOND_NS


@dataclass
class TapeServer:
    """Trades of one pair. `faults` are used up one a request, None being none.

    `inclusive` tells the trades of the very moment `since` too. Every answer stops at `present_ns`.
    """

    instrument: Instrument
    trades: Sequence[PublicTrade]
    page: int = 1000
    inclusive: bool = False
    present_ns: int = 2**62
    faults: list[str | None] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    ohlc: dict[int, list[list[object]]] = field(default_factory=dict)

    def answer(self, since_ns: int, fault: str | None = None) -> bytes:
        """A page of Trades; short: the end is cut off though `last` is beyond it; middle, head: some are left out."""
        first = since_ns if self.inclusive else since_ns + 1
        start = bisect_left(self.trades, first, key=lambda each: each.exchange_time_ns)
        found = [each for each in self.trades[start : start + self.page] if each.exchange_time_ns <= self.present_ns]
        last = found[-1].exchange_time_ns if found else since_ns
        if fault == "short":
            found = found[: max(len(found) // 3, 1)]
        elif fault == "middle":
            found = found[: len(found) // 3] + found[len(found) // 2 :]
        elif fault == "head":
            found = found[3:]
        rows = [self._row(each) for each in found]
        return json.dumps({"error": [], "result": {"XBTUSDT": rows, "last": str(last)}}).encode()

    def _row(self, trade: PublicTrade) -> list[object]:
        price, quantity = self.instrument.price(trade.price), self.instrument.quantity(trade.quantity)
        side = "b" if trade.side is Side.BUY else "s"
        time = written_time(trade.exchange_time_ns)
        return [f"{price:.5f}", f"{quantity:.8f}", time, side, "l", "", int(trade.trade_id)]

    async def trades_page(self, symbol: str, since_ns: int, count: int = 1000) -> bytes:
        """Without a connection, as a source of pages."""
        fault = self.faults.pop(0) if self.faults else None
        self.requests.append(f"Trades since {since_ns}")
        return self.answer(since_ns, fault)

    async def _trades(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.pop(0) if self.faults else None
        self.requests.append(request.path_qs)
        body = self.answer(int(request.query["since"]), fault)
        match fault:
            case "429":
                return web.Response(status=429)
            case "502":
                return web.Response(status=502, text="<html>bad gateway</html>")
            case "rate limit":
                return web.json_response({"error": ["EAPI:Rate limit exceeded"]})
            case "busy":
                return web.json_response({"error": ["EService:Unavailable"]})
            case "cut":
                return web.Response(body=body[: len(body) // 2])
            case "disconnect":
                assert request.transport is not None
                request.transport.close()
                return web.Response(body=body)
        return web.Response(body=body)

    async def _pairs(self, _: web.Request) -> web.Response:
        pair = {
            "altname": "XBTUSDT", "wsname": "XBT/USDT", "base": "XXBT", "quote": "USDT", "pair_decimals": 1,
            "lot_decimals": 8, "cost_decimals": 5, "ordermin": "0.00005", "costmin": "0.5", "tick_size": "0.1",
        }  # fmt: skip
        return web.json_response({"error": [], "result": {"XBTUSDT": pair}})

    async def _time(self, _: web.Request) -> web.Response:
        present = min(self.present_ns, self.trades[-1].exchange_time_ns + 3600 * SECOND_NS)
        return web.json_response({"error": [], "result": {"unixtime": present // SECOND_NS}})

    async def _ohlc(self, request: web.Request) -> web.Response:
        rows = self.ohlc.get(int(request.query["interval"]), [])
        last = rows[-2][0] if len(rows) > 1 else 0
        return web.json_response({"error": [], "result": {"XBTUSDT": rows, "last": last}})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address."""
        app = web.Application()
        app.router.add_get("/0/public/Trades", self._trades)
        app.router.add_get("/0/public/AssetPairs", self._pairs)
        app.router.add_get("/0/public/Time", self._time)
        app.router.add_get("/0/public/OHLC", self._ohlc)
        async with TestServer(app) as server:
            yield str(server.make_url("")).rstrip("/")
