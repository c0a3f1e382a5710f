"""A customer of a live session: tries orders all the time and keeps what came of each."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from tests.app.live_session import LiveSession
from tests.session.by_hand import by_hand

from triplegain.domain.commands import CancelOrder, ClosePosition, PlaceOrder
from triplegain.domain.orders import Limit, Market, OrderRequest, OrderStatus, OrderTerms, Side
from triplegain.domain.records import OrderRecord, SecurityEvent
from triplegain.domain.refusals import RefusedError

#: Of ten orders in a row this one takes from the book and this one rests at the best bid; the others are far away,
#: some of them post-only.
_TAKES, _RESTS = 4, 8

#: Far away is this share of the best bid.
_FAR = Decimal("0.8")

#: An order is worth so many times the least an order may cost.
_COST_MINIMA = 50

_AUDIT = SecurityEvent("order", "customer", "127.0.0.1", "", 0)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One order: when it was sent and answered (seconds of the event loop), and the answer; no code: accepted."""

    symbol: str
    kind: str
    sent_s: float
    answered_s: float
    code: str = ""
    words: str = ""

    @property
    def is_accepted(self) -> bool:
        return not self.code


@dataclass(slots=True)
class Customer:
    """Trades one instrument until `stop`, and at once whenever its condition changes.

    At the end nothing of it is left in the market.

    `post_only` makes every far order one that only adds liquidity.
    """

    live: LiveSession
    symbol: str
    pace_s: float = 0.08
    attempts: deque[Attempt] = field(default_factory=deque)
    _number: int = 0
    _price: Decimal | None = None
    _resting: str = ""
    _is_stopping: bool = False
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._trade())
        self.live.companions.append(self._task)

    async def ask_once(self) -> None:
        """One order far from the market, and its cancellation."""
        await self._try(1)

    async def stop(self) -> None:
        """Finishes the order under way, cancels what rests and closes what is open."""
        self._is_stopping = True
        self.live.turned[self.symbol].set()
        if self._task is not None:
            await self._task

    async def _trade(self) -> None:
        turned = self.live.turned[self.symbol]
        while not self._is_stopping:
            self._number += 1
            await self._try(self._number % 10)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.pace_s):
                    await turned.wait()
            turned.clear()
        await self._cancel(self._resting)
        await self._close_positions()

    async def _try(self, turn: int) -> None:
        bid = self._bid()
        if bid is None:
            return
        if turn == _TAKES:
            if await self._order("market", Side.BUY, bid, Market()):
                await self._close_positions()
        elif turn == _RESTS:
            await self._cancel(self._resting)
            self._resting = await self._order("resting", Side.BUY, bid, Limit(bid))
        else:
            tick = self.live.session.exchange.markets[self.symbol].instrument.tick
            far = bid * _FAR // tick * tick
            kind, post_only = ("post_only", True) if turn % 3 == 0 else ("far", False)
            await self._cancel(await self._order(kind, Side.BUY, far, Limit(far, post_only=post_only)))

    def _bid(self) -> Decimal | None:
        """The best bid, the last known one while there is none."""
        market = self.live.session.exchange.markets[self.symbol]
        bid, _ = market.quotes()
        self._price = self._price if bid is None else market.instrument.price(bid)
        return self._price

    async def _order(self, kind: str, side: Side, price: Decimal, terms: OrderTerms) -> str:
        """Sends an order and notes the answer; its id where it was accepted, else empty."""
        instrument = self.live.session.exchange.markets[self.symbol].instrument
        name = f"{self.symbol.replace('/', '').lower()}-{self._number}"
        least = max(instrument.quantity_min * 2, instrument.cost_min * _COST_MINIMA / price)
        quantity = -(-least // instrument.lot) * instrument.lot
        sent_s = self._now()
        try:
            request = OrderRequest(name, self.symbol, side, quantity, terms)
            record = await by_hand(self.live.commands, PlaceOrder(request), _AUDIT)
        except RefusedError as refusal:
            self._note(kind, sent_s, refusal.code, str(refusal))
            return ""
        self._note(kind, sent_s, *_refusal(record))
        return "" if record.status is OrderStatus.REJECTED else name

    def _note(self, kind: str, sent_s: float, code: str, words: str) -> None:
        self.attempts.append(Attempt(self.symbol, kind, sent_s, self._now(), code, words))

    async def _cancel(self, name: str) -> None:
        """An order that is gone already is as good as cancelled."""
        if name:
            try:
                await by_hand(self.live.commands, CancelOrder(name), _AUDIT)
            except RefusedError:
                return

    async def _close_positions(self) -> None:
        for position in self.live.session.desk.open_positions():
            if position.symbol == self.symbol and position.by_hand and not position.leaving:
                try:
                    await by_hand(self.live.commands, ClosePosition(position.position_id), _AUDIT)
                except RefusedError:
                    continue

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _refusal(record: OrderRecord) -> tuple[str, str]:
    """Code and words of a rejected order; empty for any other."""
    if record.status is OrderStatus.REJECTED:
        return record.code or "unknown", record.reason or ""
    return "", ""
