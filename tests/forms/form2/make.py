"""Makes the stored sessions of form 2 with the program of that form: run from a checkout of commit 27f38d1.

    cd CHECKOUT && .venv/bin/python -P THIS_FILE CAPTURES [NAME ...]
    cd CHECKOUT && .venv/bin/python -P THIS_FILE CAPTURES --home HOME NAME     a session that `tg paper` has left

Every session is opened as `tg paper` opens it and then driven event by event, so that it can be left in the very step
that its name says. It never imports what this tree has today, and it is not run again: its output is kept beside it.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd() / "src"))

import asyncpg

from triplegain.app.opening import PaperOptions, SessionOpening
from triplegain.app.session_models import ModelChoice, SessionModels
from triplegain.config import load_config
from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderRequest, Side
from triplegain.domain.records import CloseReason, PositionRecord, SessionStatus
from triplegain.risk.state import Halt, HaltKind
from triplegain.storage.database import Database
from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.migrations import migrate
from triplegain.storage.session_store import SessionStore

OUT = Path(__file__).resolve().parent
WALL_NS = 1_790_000_000 * SECOND_NS
CANDLES = "kraken_ohlcv_btcusdt/BTC_USDT-15m.feather"
NOBODY_TRADES = "baseline_ema: {enabled: false}\n"
TRAILING = "positions: {trailing_stop: {enabled: true, activate_pct: 0.02, trail_pct: 0.05, step_pct: 0.01}}\n"


@dataclass
class Case:
    """`begin` acts on the session at the second `acts_s` of its market; it is left at the first event from there on
    (after `acts_s`) at which `until` holds."""

    name: str
    begin: Callable[[Any], None] = lambda session: None
    until: Callable[[Any], bool] = lambda session: True
    acts_s: int = 5
    feed: str = "demo"
    files: dict[str, str] = field(default_factory=lambda: {"agents": NOBODY_TRADES})
    environ: dict[str, str] = field(default_factory=dict)
    llm: str = "none"


def buy(session: Any, name: str, quantity: str, price: Decimal | None = None, **protection: Decimal) -> None:
    terms = Market() if price is None else Limit(price)
    sent = session.place(OrderRequest(name, "BTC/USDT", Side.BUY, Decimal(quantity), terms), **protection)
    assert isinstance(sent, OrderRequest), sent


def ask(session: Any) -> Decimal:
    quote = session.prices.quote("BTC/USDT")
    return quote.ask or quote.last  # type: ignore[no-any-return]


def held(session: Any) -> list[Any]:
    """Open positions that we know of, once a stop of theirs rests."""
    stops = [o for o in orders(session) if o.request.terms.kind == "stop-loss" and o.status == "open"]
    return [p for p in session.desk.positions.records() if p.is_open and p.quantity] if stops else []


def orders(session: Any) -> list[Any]:
    return list(session.executor.orders.open_orders())


def near(session: Any, factor: str) -> Decimal:
    return (ask(session) * Decimal(factor)).quantize(Decimal("0.1"))


def protected(session: Any) -> None:
    buy(session, "held-1", "0.02", stop=near(session, "0.97"), target=near(session, "1.05"))


def partly(session: Any) -> None:
    buy(session, "part-1", "0.15", ask(session), stop=near(session, "0.97"))


def in_flight(session: Any) -> None:
    for name in ("rest-1", "rest-2", "rest-3"):
        buy(session, name, "0.01", near(session, "0.95"))


def sends(session: Any) -> bool:
    """One order, one change and one cancellation that the exchange has not seen."""
    if len(orders(session)) < 3 or session.now_ns % SECOND_NS < SECOND_NS // 2:
        return False
    buy(session, "sent-1", "0.01")
    assert session.cancel("rest-1") is None
    assert session.amend(AmendRequest("rest-2", price=near(session, "0.94"))) is None
    return True


def closes(session: Any) -> bool:
    return len(held(session)) == 1 and bool(session.close_position(held(session)[0].position_id))


def moved(session: Any) -> bool:
    """The stop has followed the price at least once."""
    stops = [p.stop for p in session.desk.positions.records() if p.is_open and p.stop is not None]
    return bool(stops) and stops[0] > first.setdefault("stop", stops[0])


first: dict[str, Any] = {}


def earned(session: Any) -> None:
    """A closed position of 600 USD profit: 60 are set aside, of which XRP's 20 stay below its threshold."""
    now_ns = session.now_ns
    record = PositionRecord(
        *("bargain-1", "BTC/USDT", Side.BUY, 1, Decimal(0), Decimal(1), Decimal(1)),
        *(Decimal(600), Decimal(600), Decimal(0), now_ns, now_ns),
        closed_at_ns=now_ns,
        close_reason=CloseReason.SIGNAL,
    )
    session.hodl.on_position_closed(record, now_ns)


def saves(session: Any) -> bool:
    return any(session.hodl.pending.values())


def pauses(session: Any) -> bool:
    session.paused = bool(held(session))
    return bool(session.paused)


def halts(session: Any) -> bool:
    if not held(session):
        return False
    until_ns = session.now_ns + 3600 * SECOND_NS
    halt = Halt(HaltKind.DAILY, until_ns, "the day has lost more than 5 %")
    session.risk._state = replace(session.risk.memory, halts=(halt,))
    return True


REBALANCE = {"agents": NOBODY_TRADES, "portfolio": "rebalance: {enabled: true, mode: limit_orders}\n"}
BATCHES = {"agents": NOBODY_TRADES, "portfolio": "rebalance: {enabled: true, mode: dca_24h}\n"}
KEYS = {"OPENAI_API_KEY": "none", "XAI_API_KEY": "none", "DEEPSEEK_API_KEY": "none", "ANTHROPIC_API_KEY": "none"}
CASES = (
    Case("protected", protected, lambda s: bool(held(s)), 5),
    Case("partly-filled", partly, lambda s: any(0 < o.filled_quantity < o.request.quantity for o in orders(s)), 5),
    Case("trailing", protected, moved, 5, files={"agents": NOBODY_TRADES, "execution": TRAILING}),
    Case("in-flight", in_flight, sends, 5),
    Case("exit-under-way", protected, closes, 5),
    Case("hodl-pending", earned, saves, 5),
    Case(
        "model-round",
        protected,
        lambda s: bool(held(s)) and bool(s.state()["mind"]["rounds"]["open"]),
        5,
        environ=KEYS,
        llm="auto",
    ),
    Case(
        "rebalance", until=lambda s: any(o.request.purpose == "rebalance" for o in orders(s)), acts_s=0, files=REBALANCE
    ),
    Case("rebalance-between", until=lambda s: s.now_ns % (60 * SECOND_NS) > 30 * SECOND_NS, files=BATCHES),
    Case("paused", protected, pauses, 5),
    Case("halted", protected, halts, 5),
    Case("traded", acts_s=60, files={}),
    Case("replay", protected, lambda s: bool(held(s)), acts_s=2 * 86_400, feed=f"replay:@{CANDLES}", files={}),
)


async def make(case: Case, captures: Path, url: str, scratch: Path) -> None:
    config_dir = scratch / case.name
    config_dir.mkdir()
    for name, text in case.files.items():
        (config_dir / f"{name}.yaml").write_text(text)
    environ = {"TRIPLEGAIN_CONFIG_DIR": str(config_dir), "TRIPLEGAIN_HOME": str(scratch)} | case.environ
    os.environ.update(environ)
    config = load_config(environ, config_dir)
    clock = ManualClock(WALL_NS)
    database = await Database.connect(url)
    store = SessionStore(database, clock)
    feed = case.feed.replace("@", f"{captures}/")
    options = PaperOptions(feed=feed, speed="max", session=case.name, seed=1, llm=case.llm)
    models = SessionModels(ModelChoice(case.llm, None, True), config, environ, scratch, database, clock, print)
    opening = SessionOpening(options, config, scratch, database, store, clock, print, models)
    opened = await opening.open()
    session, position, begun = opened.session, 0, False
    began_ns: int | None = None
    first.clear()
    for event in opened.events:  # type: ignore[union-attr]
        if session.thinks_at_ns < event.exchange_time_ns and began_ns is not None:
            session.advance_to(event.exchange_time_ns - 1)
            session.rounds.take_undispatched()
        session.on_event(event)
        position += 1
        began_ns = event.exchange_time_ns if began_ns is None else began_ns
        if not begun and session.now_ns - began_ns >= case.acts_s * SECOND_NS:
            case.begin(session)
            begun = True
        elif begun and case.until(session):
            break
        if session.must_commit:
            await store.commit(case.name, session.take_batch(position, WALL_NS))
        assert session.now_ns - began_ns < 10 * 86_400 * SECOND_NS and position < 400_000, case.name
    await store.commit(case.name, session.take_batch(position, WALL_NS))
    await store.set_status(case.name, SessionStatus.PAUSED)
    await store.release(case.name)
    await store.close()
    await models.aclose()
    await dump(url, case.name, str(captures))
    await database.close()


async def dump(url: str, session_id: str, captures: str) -> None:
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
    text = text.replace(f"replay:{captures}/", "replay:@")
    file = OUT / f"{session_id}.json.gz"
    file.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(session_id, len(text), "->", file.stat().st_size, flush=True)


def main() -> None:
    captures, names = Path(sys.argv[1]).resolve(), sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="tg-") as scratch:
        if names[:1] == ["--home"]:
            with EmbeddedCluster(Path(names[1], "postgres")) as url:
                asyncio.run(dump(url, names[2], str(captures)))
            return
        with EmbeddedCluster(Path(scratch, "postgres"), durable=False) as url:
            asyncio.run(migrate(url, Path("migrations")))
            for case in CASES:
                if not names or case.name in names:
                    try:
                        asyncio.run(make(case, captures, url, Path(scratch)))
                    except Exception as error:
                        print(f"{case.name}: {type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main()
