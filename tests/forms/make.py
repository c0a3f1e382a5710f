"""Makes the stored sessions of the present form: run it when a form is new, and keep what it makes.

    .venv/bin/python -m tests.forms.make [NAME ...]

Every session is opened as `tg paper` opens it and then driven event by event, so that it is left in the very step that
its name says. What an earlier form left is never made again: the program that wrote it is gone.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path

import asyncpg
from tests.database_fixtures import MIGRATIONS
from tests.forms.stored_forms import CORPORA, FOLDER, Home

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderOptions, OrderRequest, OrderTerms, Side, StopLoss
from triplegain.domain.price import Offset, Sign
from triplegain.domain.records import CloseReason, PositionRecord, SessionStatus
from triplegain.domain.refusals import Refusal
from triplegain.domain.terms import (
    Iceberg,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
    TrailingStopLimit,
)
from triplegain.session.trading_session import TradingSession
from triplegain.storage.database import Database
from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.migrations import migrate

NOBODY_TRADES = "baseline_ema: {enabled: false}\n"
TRAILING = "positions: {trailing_stop: {enabled: true, activate_pct: 0.02, trail_pct: 0.05, step_pct: 0.01}}\n"
MARGIN = "margin: {enabled: true}\n"
REBALANCE = "rebalance: {enabled: true, mode: limit_orders}\n"


@dataclass(frozen=True)
class Case:
    """`script` acts each time it is advanced, once after every event from `acts_s` on; the session is left when it
    is over."""

    name: str
    script: Callable[[TradingSession], Iterator[None]]
    acts_s: int = 5
    files: dict[str, str] = field(default_factory=dict)


def buy(session: TradingSession, name: str, quantity: str, price: Decimal | None = None, **protection: Decimal) -> None:
    terms = Market() if price is None else Limit(price)
    sent = session.by_hand.place(OrderRequest(name, "BTC/USDT", Side.BUY, Decimal(quantity), terms), **protection)
    assert isinstance(sent, OrderRequest), sent


def near(session: TradingSession, factor: str) -> Decimal:
    quote = session.prices.quote("BTC/USDT")
    assert quote is not None and quote.ask is not None
    return (quote.ask * Decimal(factor)).quantize(Decimal("0.1"))


def stops(session: TradingSession) -> list[Decimal]:
    """Triggers of the stops that rest."""
    resting = [order for order in session.exchange.orders.values() if order.request.origin == "protection"]
    return [Decimal(order.price) for order in resting if order.status == "open"]


def trailing(session: TradingSession) -> Iterator[None]:
    """0.02 BTC with a stop that has been moved up."""
    buy(session, "held-1", "0.02", stop=near(session, "0.97"), target=near(session, "1.05"))
    while not stops(session):
        yield
    first = stops(session)
    while stops(session) == first:
        yield


def partly_filled(session: TradingSession) -> Iterator[None]:
    """A limit at the ask has taken what the book showed and rests with the remainder."""
    buy(session, "part-1", "0.15", near(session, "1"), stop=near(session, "0.97"))
    while not any(0 < order.left < order.lots for order in session.exchange.orders.values()):
        yield


def in_flight(session: TradingSession) -> Iterator[None]:
    """One order, one change and one cancellation that the exchange has not seen."""
    for name in ("rest-1", "rest-2", "rest-3"):
        buy(session, name, "0.01", near(session, "0.95"))
    while not all(order.status == "open" for order in session.exchange.orders.values()):
        yield
    buy(session, "sent-1", "0.01")
    assert session.by_hand.cancel("rest-1") is None
    assert session.by_hand.amend(AmendRequest("rest-2", price=near(session, "0.94"))) is None


def hodl_pending(session: TradingSession) -> Iterator[None]:
    """A closed position of 600 USD profit: 60 are set aside, of which XRP's 20 stay below its threshold."""
    now_ns = session.now_ns
    record = PositionRecord(
        *("bargain-1", "BTC/USDT", Side.BUY, 1, Decimal(0), Decimal(1), Decimal(1)),
        *(Decimal(600), Decimal(600), Decimal(0), now_ns, now_ns),
        closed_at_ns=now_ns,
        close_reason=CloseReason.SIGNAL,
    )
    assert session.hodl is not None
    session.hodl.on_position_closed(record, now_ns)
    yield


def model_round(session: TradingSession) -> Iterator[None]:
    """Models are asked, none has answered; a position is open and its stop rests."""
    buy(session, "held-1", "0.02", stop=near(session, "0.97"))
    while not stops(session) or session.decision_engine.rounds.due_ns <= session.now_ns:
        yield


def rebalance(session: TradingSession) -> Iterator[None]:
    """The first two orders of a rebalance by limit orders rest."""
    while not any(order.request.origin == "rebalance" for order in session.exchange.orders.values()):
        yield


def every_type(session: TradingSession, away: str) -> Iterator[None]:
    """An order of each type that waits, `away` percent from the market; the trailing trigger has moved."""
    share, small = Decimal(away), Decimal(away) / 10
    ahead, trail = Offset(Sign.AHEAD, share, percent=True), Offset(Sign.PLUS, share, percent=True)
    above, below = (near(session, str(1 + sign * share / 100)) for sign in (1, -1))
    waiting: dict[str, OrderTerms] = {
        "limit": Limit(ahead),
        "iceberg": Iceberg(below, Decimal("0.001")),
        "stop-loss": StopLoss(above),
        "stop-loss-limit": StopLossLimit(above, above),
        "take-profit": TakeProfit(below),
        "take-profit-limit": TakeProfitLimit(ahead, below),
        "trailing-stop": TrailingStop(trail),
        "trailing-stop-limit": TrailingStopLimit(trail, Offset(Sign.PLUS, small, percent=True)),
    }
    for name, terms in waiting.items():
        request = OrderRequest(name, "BTC/USDT", Side.BUY, Decimal("0.01"), terms)
        assert isinstance(session.by_hand.place(request), OrderRequest), name
    while not all(order.status == "open" for order in session.exchange.orders.values()):
        yield
    trailing = session.exchange.orders["trailing-stop"]
    peak = trailing.peak
    while trailing.peak == peak:
        yield
    assert set(waiting) <= set(session.exchange.orders)


def every_option(session: TradingSession) -> Iterator[None]:
    """An order that a fill has opened, one that waits for its time, one in the place of another; the switch is set."""
    now_ns = session.now_ns
    closing = OrderOptions(close=StopLoss(near(session, "0.9")))
    sent = [
        OrderRequest("linked", "BTC/USDT", Side.BUY, Decimal("0.01"), Market(), options=closing),
        OrderRequest(
            "later", "BTC/USDT", Side.BUY, Decimal("0.01"), Limit(near(session, "0.95")),
            options=OrderOptions(starts_at_ns=now_ns + 3600 * SECOND_NS, deadline_ns=now_ns + 5 * SECOND_NS),
        ),
        OrderRequest("first", "BTC/USDT", Side.BUY, Decimal("0.01"), Limit(near(session, "0.95"))),
    ]  # fmt: skip
    for request in sent:
        assert isinstance(session.by_hand.place(request), OrderRequest), request.client_order_id
    orders = session.exchange.orders
    while not ({"tg-close-1-1", "first"} <= orders.keys() and orders["first"].status == "open"):
        yield
    record = session.executor.orders.by_client_id("first")
    assert record is not None
    edited = session.by_hand.edit(record, "second", None, near(session, "0.94"), None)
    assert isinstance(edited, OrderRequest)
    switch = session.by_hand.cancel_all_after(7200)
    assert not isinstance(switch, Refusal)
    while not (orders.keys() == {"tg-close-1-1", "later", "second"} and orders["second"].status == "open"):
        yield
    until_ns = session.now_ns + SECOND_NS
    while session.now_ns < until_ns:
        yield


def on_margin(session: TradingSession) -> Iterator[None]:
    """A purchase and a sale on margin are open, what only reduces the one rests, and what may open more of it does."""
    sent = [
        OrderRequest("long", "BTC/USDT", Side.BUY, Decimal("0.02"), Market(), leverage=2),
        OrderRequest("short", "XRP/USDT", Side.SELL, Decimal(500), Market(), leverage=2),
    ]
    margin = session.exchange.margin
    for request in sent:
        assert isinstance(session.by_hand.place(request), OrderRequest), request.client_order_id
    while len(margin.positions) < 2:
        yield
    reduces = OrderOptions(reduce_only=True)
    more = [
        OrderRequest(
            "stop", "BTC/USDT", Side.SELL, Decimal("0.02"), StopLoss(near(session, "0.95")), leverage=2, options=reduces
        ),
        OrderRequest("more", "BTC/USDT", Side.BUY, Decimal("0.01"), Limit(near(session, "0.95")), leverage=3),
    ]
    for request in more:
        assert isinstance(session.by_hand.place(request), OrderRequest), request.client_order_id
    orders = session.exchange.orders
    while not (orders.keys() == {"stop", "more"} and all(each.status == "open" for each in orders.values())):
        yield
    until_ns = session.now_ns + SECOND_NS
    while session.now_ns < until_ns:
        yield


CASES = (
    Case("trailing", trailing, files={"execution": TRAILING}),
    Case("partly-filled", partly_filled),
    Case("in-flight", in_flight),
    Case("hodl-pending", hodl_pending),
    Case("model-round", model_round),
    Case("rebalance", rebalance, acts_s=0, files={"portfolio": REBALANCE}),
    Case("every-type", partial(every_type, away="5")),
    Case("every-type-near", partial(every_type, away="0.05")),
    Case("every-option", every_option),
    Case("on-margin", on_margin, files={"execution": MARGIN}),
)


async def make(case: Case, url: str, folder: Path) -> None:
    folder.mkdir()
    for name, text in ({"agents": NOBODY_TRADES} | case.files).items():
        (folder / f"{name}.yaml").write_text(text)
    database = await Database.connect(url)
    home = Home(database, folder)
    async with home.opened(case.name, feed="demo", seed=1) as found:
        session, store, now_ns = found.session, home.store, home.now_ns
        script, began_ns, position = case.script(session), -1, found.position
        for event in found.events:  # type: ignore[union-attr]
            if began_ns >= 0 and session.thinks_at_ns < event.exchange_time_ns:
                session.advance_to(event.exchange_time_ns - 1)
            session.on_event(event)
            position += 1
            began_ns = event.exchange_time_ns if began_ns < 0 else began_ns
            is_over = False
            if session.now_ns - began_ns >= case.acts_s * SECOND_NS:
                is_over = next(script, "over") == "over"
            if is_over or session.must_commit:
                await store.commit(case.name, session.take_batch(position, now_ns))
            if is_over:
                break
            assert session.now_ns - began_ns < 3600 * SECOND_NS, case.name
        await store.set_status(case.name, SessionStatus.PAUSED)
    await database.close()
    await dump(url, case.name)


async def dump(url: str, session_id: str) -> None:
    """Every row of the session, by table, as PostgreSQL writes it as JSON; numbers stay exact because they are text."""
    connection = await asyncpg.connect(url)
    tables = await connection.fetch(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'session_id' "
        "AND table_schema = 'public' AND table_name IN (SELECT relname FROM pg_class WHERE relkind = 'r') ORDER BY 1"
    )
    parts = []
    for (table,) in tables:
        rows = await connection.fetch(f"SELECT row_to_json(t)::text FROM {table} t WHERE session_id = $1", session_id)
        if rows:
            told = ",\n".join(sorted(row[0] for row in rows))
            parts.append(f"{json.dumps(table)}: [\n{told}\n]")
    await connection.close()
    text = "{\n" + ",\n".join(parts) + "\n}\n"
    *_, newest = CORPORA
    file = FOLDER / newest / f"{session_id}.json.gz"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def main(names: list[str]) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="tg-") as scratch,
        EmbeddedCluster(Path(scratch, "postgres"), durable=False) as url,
    ):
        asyncio.run(migrate(url, MIGRATIONS))
        for case in CASES:
            if not names or case.name in names:
                asyncio.run(make(case, url, Path(scratch, case.name)))


if __name__ == "__main__":
    main(sys.argv[1:])
