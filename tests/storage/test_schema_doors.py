"""Every bound of the schema against the doors: what lies one beyond it is refused outside, or let in as what fits.

The bounds are read from the catalogue, so a new column or CHECK fails here until somebody says which door keeps it, or
why nothing from outside reaches it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest
import typer

from triplegain.agents.decision import VoteAnswer
from triplegain.api.requests import Amendment, Trade
from triplegain.cli import paper
from triplegain.config.tree import config_of
from triplegain.domain.clock import iso
from triplegain.domain.errors import TripleGainError
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS, Instrument
from triplegain.domain.market import Candle, PublicTrade
from triplegain.domain.outside import Redactor
from triplegain.domain.storable import storable
from triplegain.feeds.captures.replay import recognise
from triplegain.llm import attempt
from triplegain.llm.spec import ModelSpec, Provider
from triplegain.llm.wire import Finish, Question, Turn, WireAnswer
from triplegain.market.timestamps import moment_ns
from triplegain.venues.kraken.candles import closed_candles
from triplegain.venues.kraken.pairs import instrument_of, pairs_of

BTC = KRAKEN_OFFLINE_DEFAULTS[0]
NOW_NS = 1_700_000_000 * 10**9
GOOD = {"symbol": "BTC/USDT", "side": "buy", "quantity": "1", "price": "50000"}

_COLUMNS = """
SELECT c.relname AS table_name, a.attname AS column_name, format_type(a.atttypid, a.atttypmod) AS type,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey)) AS indexed
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
"""
_CHECKS = """
SELECT coalesce(c.relname, t.typname) AS place, c.relname IS NULL AS is_domain, pg_get_constraintdef(k.oid) AS words
FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid
WHERE k.contype = 'c' AND k.connamespace = 'public'::regnamespace
"""
#: The least and the most that a type holds; of a text how many bytes an index takes.
_TYPES: dict[str, tuple[Any, Any]] = {"bigint": (-(2**63), 2**63 - 1), "integer": (-(2**31), 2**31 - 1)}
_INDEXED_BYTES = 2_000
_COMPARISON = re.compile(r"\(*(\w+)\)*(?:::numeric)? (>=|>|<=|<) \(?'?(-?\d+|-?Infinity)'?\)?(?:::numeric)?\)*")

#: Checks of more than one value, each with why it holds.
TOGETHER = {
    "open_time_ns % length_ns": "a candle that does not begin on its boundary is refused with file and record",
    "GREATEST(open, close)": "so is one whose prices do not lie between low and high",
    "from_ns < to_ns": "a Span is not empty",
    "held)::numeric <= (total": "the wallet",
    "status <> 'filled'": "the exchange fills no more than there is",
    "status <> 'rejected'": "the exchange rejects before it fills",
    "status = 'ended'": "the store ends a session with its time",
    "price IS NOT NULL": "an outcome without a price says nothing",
    "failure = ''": "a failed vote abstains",
    "side = ANY": "an enumeration", "role = ANY": "an enumeration", "outcome = ANY": "an enumeration",
}  # fmt: skip


@dataclass
class Bounds:
    """`beyond` are values outside of them, as a person might write them."""

    least: Any = None
    most: Any = None
    above: bool = False
    is_text: bool = False
    is_exact: bool = False
    is_json: bool = False
    indexed: bool = False

    @property
    def has_any(self) -> bool:
        """Not of a type that the program's own values always fit: truth values, enumerations, our own clock."""
        return self.is_text or self.is_exact or self.is_json or self.least is not None or self.most is not None

    def beyond(self) -> list[Any]:
        if self.is_text:
            return ["a\x00b", "\ud800", *(["x" * (_INDEXED_BYTES + 1)] if self.indexed else [])]
        found = [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), Decimal("1e40")] if self.is_exact else []
        step = Decimal("0.1") if self.is_exact else 1
        found += [] if self.least is None else [self.least if self.above else self.least - step]
        return found + ([] if self.most is None else [self.most + step])

    def holds(self, value: Any) -> bool:
        if value is None:
            return True
        if self.is_text:
            try:
                size = len(value.encode())
            except UnicodeEncodeError:
                return False
            return "\x00" not in value and (not self.indexed or size <= _INDEXED_BYTES)
        if self.is_exact and not Decimal(value).is_finite():
            return False
        if self.least is not None and (value <= self.least if self.above else value < self.least):
            return False
        return self.most is None or value <= self.most


#: Takes a value as it might stand outside; what would be stored of it. Refusals are exceptions.
Door = Callable[[Any], Iterable[Any]]


def written(value: Any) -> str:
    return f"{value:f}" if isinstance(value, Decimal) and value.is_finite() else str(value)


def trade(name: str, read: Callable[[Any], Any]) -> Door:
    """A body of POST /paper/trade, and so `tg order place`, which sends it."""

    def door(value: Any) -> Iterable[Any]:
        told = value if isinstance(value, (int, str)) and name == "leverage" else written(value)
        body = Trade.model_validate({**GOOD, name: told})
        return [read(body.order(body.client_order_id or "a", NOW_NS))]

    return door


def amendment(name: str) -> Door:
    return lambda value: Amendment.model_validate({name: written(value)}).changes().values()


def expiries(value: Any) -> Iterable[Any]:
    """A time, or a length from now; neither can be written for what is far outside."""
    texts = [f"{(value - NOW_NS) // 10**9}s", f"{(value - NOW_NS) // (86_400 * 10**9)}d"]
    texts += [iso(value)] if 0 <= value < 253_402_300_800 * 10**9 else ["1969-12-31T23:59:59Z"]
    for each in texts:
        try:
            found = Trade.model_validate({**GOOD, "expires": each}).order("a", NOW_NS).expires_at_ns
        except (TripleGainError, ValueError):
            continue
        # Before now it is refused by the session, which knows the time of its market.
        if found is not None and found > NOW_NS:
            yield found


def configured(*path: str, read: Callable[[Any], Any]) -> Door:
    def door(value: Any) -> Iterable[Any]:
        tree: Any = value if isinstance(value, (int, dict)) else written(value)
        for step in reversed(path):
            tree = {step: tree}
        config, faults = config_of(tree)
        assert config is not None, faults
        return [read(config)]

    return door


def option(command: Callable[..., None], name: str) -> Door:
    """An option of the command line, as it is read before anything starts."""
    app = typer.Typer()
    app.command()(command)
    whole = typer.main.get_command(app)
    [parameter] = [each for each in whole.params if each.name == name]
    return lambda value: [parameter.process_value(typer.Context(whole), str(value))]


def vote(name: str, read: Callable[[VoteAnswer], Any]) -> Door:
    good = {"snapshot": "0" * 12, "symbol": "BTC/USDT", "action": "hold", "confidence_pct": 50, "stop_bps": 1,
            "target_bps": 1, "size_pct": 1, "reasoning": ""}  # fmt: skip

    def door(value: Any) -> Iterable[Any]:
        # As JSON, which has neither NaN nor anything but whole numbers for these.
        told = int(value) if isinstance(value, Decimal) and value.is_finite() else value
        told = str(told) if isinstance(told, Decimal) else told
        return [read(VoteAnswer.model_validate_json(json.dumps({**good, name: told})))]

    return door


def spent(name: str) -> Door:
    """What a provider says a call took; None is not known, and then the reservation counts."""
    spec = ModelSpec("gpt", Provider.OPENAI, "gpt-5")
    question = Question(spec, "system", (Turn("user"),), VoteAnswer)

    def door(value: Any) -> Iterable[Any]:
        answer = WireAnswer("", "gpt-5", Finish.DONE, 1, 1)
        return [getattr(attempt._believable(replace(answer, **{name: value}), question), name)]

    return door


def answered_by(value: Any) -> Iterable[Any]:
    """Who a provider says has answered."""
    attempts = SimpleNamespace(_redactor=Redactor([]), _answer_chars_max=100)
    safe = attempt.Attempts._safe(cast(attempt.Attempts, attempts), attempt.CallOutcome(None, model_id=value))
    return [safe.model_id]


def file_door(name: str, text: Callable[[str], str], read: Callable[[Any], Any]) -> Door:
    """A recorded market: one good row, and one that is told otherwise."""

    def door(value: Any) -> Iterable[Any]:
        with TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_text(text(json.dumps(value) if isinstance(value, str) else written(value)))
            capture = recognise(file)
            assert capture is not None
            return [read(each) for each in capture.events()]

    return door


def candle(column: int, read: Callable[[Candle], Any]) -> Door:
    def text(value: str) -> str:
        row = ["1700000100", "1", "1", "1", "1", "1", "1"]
        row[column] = value
        return f"date,open,high,low,close,volume,trades\n1700000040,1,1,1,1,1,1\n{','.join(row)}\n"

    return file_door("BTC_USDT-1m.csv", text, lambda event: read(event.candle))


def tape(column: int, read: Callable[[PublicTrade], Any]) -> Door:
    def text(value: str) -> str:
        row = ["1704538800001", '"2"', "null", '"buy"', "1", "1", "1"]
        row[column] = value
        return f'[[1704538800000,"1",null,"buy",1,1,1],[{",".join(row)}]]'

    return file_door("BTC_USDT-trades.json", text, read)


def pair(name: str, read: Callable[[Instrument], Any]) -> Door:
    """Kraken's rules of a pair, from its reply or a recorded one."""
    good = {"altname": "XBTUSDT", "base": "XXBT", "quote": "USDT", "wsname": "XBT/USDT", "pair_decimals": 1,
            "lot_decimals": 8, "cost_decimals": 5, "ordermin": "0.01", "costmin": "1", "tick_size": "0.1"}  # fmt: skip

    def door(value: Any) -> Iterable[Any]:
        told = value if isinstance(value, int) and name.endswith("decimals") else written(value)
        reply = json.dumps({"error": [], "result": {"XXBTUSDT": {**good, name: told}}}).encode()
        return [read(instrument_of(each)) for each in pairs_of(reply).values()]

    return door


def ohlc(column: int, read: Callable[[Candle], Any]) -> Door:
    """A reply of Kraken's OHLC."""

    def door(value: Any) -> Iterable[Any]:
        row: list[Any] = [1_700_000_040, "1", "1", "1", "1", "1", "1", 1]
        row[column] = value if column in (0, 7) else written(value)
        reply = {"error": [], "result": {"XBTUSDT": [row, row], "last": 1_700_000_040}}
        return [read(each) for each in closed_candles(json.dumps(reply).encode(), BTC, 1).candles]

    return door


def span(value: Any) -> Iterable[Any]:
    """`history:PAIRS:FROM..TO`, `data import FROM..TO`."""
    return [moment_ns(iso(value) if 0 <= value < 253_402_300_800 * 10**9 else "9999-12-31")]


def entry_expiry(value: Any) -> Iterable[Any]:
    """When the entries of a trader end: so many hours from now."""
    hours = value // (3600 * 10**9)
    read = configured("execution", "orders", "limit_expiry_hours", read=lambda config: config.desk.entry_expiry_ns)
    return [NOW_NS + length_ns for length_ns in read(hours)]


def balance(value: Any) -> Iterable[Any]:
    """What a session opens with."""
    read = configured(
        "execution", "paper_trading", "initial_balance", read=lambda config: config.paper.initial_balance["USDT"]
    )
    return read({"USDT": written(value)})


SYMBOLS: tuple[Door, ...] = (trade("symbol", lambda order: order.symbol), pair("wsname", lambda one: one.symbol))
#: What from outside goes into a column, by the doors it comes through.
DOORS: dict[str, tuple[Door, ...]] = {
    "*.symbol": SYMBOLS,
    "*.client_order_id": (trade("client_order_id", lambda order: order.client_order_id),),
    "paper_orders.requested_quantity": (trade("quantity", lambda order: order.quantity), amendment("quantity")),
    "paper_orders.quantity": (trade("quantity", lambda order: order.quantity), amendment("quantity")),
    "paper_orders.price": (trade("price", lambda order: order.terms.price), amendment("price")),
    "paper_orders.leverage": (trade("leverage", lambda order: order.leverage),),
    "paper_orders.expires_at_ns": (expiries, entry_expiry),
    "paper_positions.stop": (lambda value: [Trade.model_validate({**GOOD, "stop": written(value)}).stop],),
    "paper_positions.target": (lambda value: [Trade.model_validate({**GOOD, "target": written(value)}).target],),
    "paper_sessions.seed": (
        option(paper.paper, "seed"),
        configured("orchestration", "demo_seed", read=lambda config: config.paper.demo_seed),
    ),
    "paper_balances.total": (balance,),
    "paper_ledger_entries.amount": (balance,),
    "paper_decisions.confidence": (vote("confidence_pct", lambda told: Decimal(told.confidence_pct) / 100),),
    "paper_votes.confidence": (vote("confidence_pct", lambda told: Decimal(told.confidence_pct) / 100),),
    "paper_analyses.confidence": (vote("confidence_pct", lambda told: Decimal(told.confidence_pct) / 100),),
    "paper_votes.stop_bps": (vote("stop_bps", lambda told: told.stop_bps),),
    "paper_votes.target_bps": (vote("target_bps", lambda told: told.target_bps),),
    "paper_votes.reasoning": (vote("reasoning", lambda told: storable(told.reasoning)),),
    "*.tokens_in": (spent("tokens_in"),),
    "*.tokens_out": (spent("tokens_out"),),
    "*.model_id": (answered_by,),
    "candles.open_time_ns": (
        lambda value: candle(0, lambda one: one.open_time_ns)(value // 10**9),
        lambda value: ohlc(0, lambda one: one.open_time_ns)(value // 10**9),
    ),
    "candles.open": (candle(1, lambda one: one.open), ohlc(1, lambda one: one.open)),
    "candles.high": (candle(2, lambda one: one.high), ohlc(2, lambda one: one.high)),
    "candles.low": (candle(3, lambda one: one.low), ohlc(3, lambda one: one.low)),
    "candles.close": (candle(4, lambda one: one.close), ohlc(4, lambda one: one.close)),
    "candles.volume": (candle(5, lambda one: one.volume), ohlc(6, lambda one: one.volume)),
    "candles.trades": (candle(6, lambda one: one.trades), ohlc(7, lambda one: one.trades)),
    "market_trades.exchange_time_ns": (lambda value: tape(0, lambda one: one.exchange_time_ns)(value // 10**6),),
    "market_trades.trade_id": (tape(1, lambda one: one.trade_id),),
    "market_trades.price": (tape(4, lambda one: one.price),),
    # What is smaller than a lot is left out of what is stored.
    "market_trades.quantity": (tape(5, lambda one: one.quantity or None),),
    "market_coverage.from_ns": (span,),
    "market_coverage.to_ns": (span,),
    "market_instruments.tick": (pair("tick_size", lambda one: one.tick),),
    "market_instruments.quantity_min": (pair("ordermin", lambda one: one.quantity_min),),
    "market_instruments.cost_min": (pair("costmin", lambda one: one.cost_min),),
    "market_instruments.cost_decimals": (pair("cost_decimals", lambda one: one.cost_decimals),),
    "market_instruments.lot": (pair("lot_decimals", lambda one: one.lot),),
}

#: Why nothing from outside reaches a column as it is.
INSIDE: dict[str, str] = {
    "*.session_id": "a name of up to 64 letters, digits, dots, dashes and underscores: tests/app/test_paper_command.py",
    "*.*number": "counted here, from 1 on", "*.sequence": "counted here", "*.*_sequence": "counted here",
    "*.step": "counted here", "*.feed_position": "messages that were taken", "*.ledger_transaction": "counted here",
    "*.snapshots": "counted here", "*.open_positions": "counted here", "*.attempts": "counted here",
    "*.time_ns": "market time: a feed's, bounded as candles and trades are", "*.market_time_ns": "market time",
    "*.visible_at_ns": "market time and a delay of ten minutes at most", "*.*_at_ns": "market time",
    "*.latency_ns": "measured here, or from a tape that was recorded here",
    "*.horizon_ns": "1, 4 and 24 hours",
    "*.length_ns": "a candle's length: one of a list, or the distance of two times that are bounded",
    "*.answer": "JSON, made storable", "*.details": "JSON, made storable", "*.explanation": "JSON, made storable",
    "*.*_digest": "a hash, made in the database", "*.row_mark": "a hash, made in the database",
    "*.link": "counted here", "links.*": "counted here, or a hash", "paper_seals.base": "counted here",
    "paper_seals.removed": "counts and hashes, made in the database",
    "*.mark_before": "a hash, made in the database", "*.rows": "counts and hashes, made in the database",
    "*.state": "JSON, made storable", "*.settings": "JSON of what the configuration let in",
    "*.balances": "JSON of amounts", "*.initial_balances": "JSON of what the configuration let in",
    "*.event": "JSON, made storable", "*.terms": "JSON of what the door let in",
    "paper_orders.options": "JSON of what the door let in", "*.request": "JSON, made storable",
    "paper_orders.amended_terms": "JSON of what the door let in",
    "*.message": "said here; storable", "*.reason": "said here, or cut from outside; storable",
    "*.reasons": "said here; storable", "*.failure": "one of a list", "*.code": "one of a list",
    "*.why": "one of a list", "paper_queue_points.point": "counted here, up to a bound",
    "*.kind": "one of a list", "*.role": "one of a list", "*.status": "one of a list", "*.outcome": "one of a list",
    "*.action": "one of a list", "*.side": "one of a list", "*.order_type": "one of a list",
    "*.purpose": "one of a list", "*.agent": "of the registry", "*.task": "of the registry",
    "*.model": "of the configuration", "*.provider": "one of a list", "*.part": "of the program",
    "*.key": "a number, a symbol or an id of ours", "*.actor": "role and hash of a key", "*.address": "of the socket",
    "*.request_id": "ours", "*.call_id": "ours", "*.round": "ours", "*.fill_id": "ours", "*.order_id": "ours",
    "*.position_id": "ours", "*.snapshot_hash": "ours", "*.prompt_hash": "ours", "*.key_hash": "ours",
    "*.sha256": "ours", "housekeeping.removed": "counts of ours",
    "api_keys.name": "of the command line, which holds no NUL", "*.feed": "of the command line",
    "*.response": "cut and made storable", "*.source": "of the program", "*.venue": "one of a list",
    "*.asset": "a side of a symbol", "*.fee_asset": "a side of a symbol",
    **dict.fromkeys(
        ("*.notional", "*.filled_*", "*.fee", "*.fees", "*.fees_usd", "*.cumulative_quantity", "*.held",
         "*.entry_quantity", "*.average_entry", "*.realised", "*.realised_usd", "*.unrealised", "*.unrealised_usd",
         "*.equity*", "*.mark", "*.buy_and_hold", "*.usd", "*.move", "*.net", "paper_trades.price",
         "paper_trades.quantity", "paper_position*.quantity", "paper_hodl.quantity", "paper_votes.price",
         "paper_outcomes.price", "paper_queue_points.ahead", "paper_queue_points.traded"),
        "exact arithmetic on bounded prices, quantities and balances",
    ),
    "*.reserved_usd": "a price of the configuration times bounded tokens",
    "*.cost_usd": "a price of the configuration times bounded tokens",
    "candle_lengths.*": "of a migration",
    "schema_migrations.*": "of a migration", "paper_kinds.*": "of a migration",
}  # fmt: skip


async def catalogue(database_url: str) -> tuple[dict[str, Bounds], list[str]]:
    """The bounds of each column of the schema, and what of its checks is about more than one value."""
    connection = await asyncpg.connect(database_url)
    try:
        columns, checks = await connection.fetch(_COLUMNS), await connection.fetch(_CHECKS)
    finally:
        await connection.close()
    domains: dict[str, list[tuple[str, str, str]]] = {}
    found: dict[str, Bounds] = {}
    together = []
    for check in checks:
        parts = [_COMPARISON.fullmatch(part) for part in check["words"].removeprefix("CHECK (")[:-1].split(" AND ")]
        if any(part is None for part in parts):
            together.append(check["words"])
            continue
        told = [part.groups() for part in parts if part is not None]
        for column, sign, value in told:
            domains.setdefault(check["place"] if check["is_domain"] else f"{check['place']}.{column}", []).append(
                (column, sign, value)
            )
    for each in columns:
        name, type_name = f"{each['table_name']}.{each['column_name']}", each["type"]
        least, most = _TYPES.get("bigint" if type_name == "time_ns" else type_name, (None, None))
        bounds = Bounds(
            least,
            most,
            is_text=type_name == "text",
            is_exact=type_name == "amount",
            is_json=type_name == "jsonb",
            indexed=each["indexed"],
        )
        for _, sign, value in [*domains.get(type_name, []), *domains.get(name, [])]:
            if "Infinity" in value:
                continue
            if sign.startswith(">"):
                bounds.least, bounds.above = int(value), sign == ">"
            else:
                bounds.most = int(value)
        found[name] = bounds
    return found, together


def doors_of(name: str) -> tuple[Door, ...] | str | None:
    """Its own doors, those of its kind of column, why there are none, None where nobody has said anything."""
    for table in (DOORS, INSIDE):
        for pattern, said in table.items():
            if fnmatchcase(name, pattern):
                return said
    return None


async def test_what_lies_beyond_a_bound_of_the_schema_comes_through_no_door(database_url: str) -> None:
    columns, together = await catalogue(database_url)
    unsaid = [words for words in together if not any(part in words for part in TOGETHER)]
    assert not unsaid, f"checks of which nobody says why they hold: {unsaid}"
    nowhere = [name for name, bounds in columns.items() if bounds.has_any and doors_of(name) is None]
    assert not nowhere, f"columns with neither a door nor a reason: {nowhere}"
    gone = [pattern for pattern in (*DOORS, *INSIDE) if not any(fnmatchcase(name, pattern) for name in columns)]
    assert not gone, f"no column is called {gone}"
    let_in, tried = [], 0
    for name, bounds in columns.items():
        doors = doors_of(name)
        for door in doors if isinstance(doors, tuple) else ():
            for value in bounds.beyond():
                tried += 1
                try:
                    kept = list(door(value))
                except (TripleGainError, ValueError, typer.BadParameter, AssertionError):
                    continue
                let_in += [(name, value, one) for one in kept if not bounds.holds(one)]
    assert not let_in
    assert tried > 200


#: Each door lets one of these in.
GOOD_VALUES = (3600 * 10**9, "BTC/USDT", "XBT/USDT", "name", 1, 5, 8, Decimal(1), Decimal("0.1"), 1_700_000_100 * 10**9,
               NOW_NS + 3600 * 10**9, 1_704_538_800_002 * 10**6)  # fmt: skip


@pytest.mark.parametrize("name", DOORS)
def test_a_door_is_open_for_what_is_within(name: str) -> None:
    for door in DOORS[name]:
        let_in = []
        for value in GOOD_VALUES:
            try:
                let_in += [one for one in door(value) if one is not None]
            except (TripleGainError, ValueError, TypeError, ArithmeticError, typer.BadParameter, AssertionError):
                continue
        assert let_in
