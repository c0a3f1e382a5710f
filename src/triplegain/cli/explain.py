"""`explain`: why an order filled as it did, or why it did not, in words and as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated

import typer
from msgspec.structs import replace
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from triplegain.cli.client import JsonOption, StoredSessionOption, tell
from triplegain.cli.curve import curve
from triplegain.cli.database import read_session_of
from triplegain.cli.running_order import standing_of
from triplegain.cli.tables import QUIET, RIGHT, WARNING, WHOLE, amount, moment, price, table_of
from triplegain.domain.clock import iso
from triplegain.domain.money import exact_sum
from triplegain.domain.orders import Side
from triplegain.domain.queue_path import QueueChange
from triplegain.domain.records import SessionStatus
from triplegain.domain.refusals import Code, RefusedError
from triplegain.domain.told_fills import BookLadder, FillStep, LadderLevel, taken_of
from triplegain.domain.told_orders import ToldOrder
from triplegain.domain.values import INTEGER_MAX
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.told_order import FILLS_MAX, before_step, order_or_fill_named, read_told_order

#: Levels a side that a picture shows beside those that were taken.
_SHOWN = 5
_WIDTH, _HEIGHT = 60, 6
#: Of a queue, after a number.
QUEUE_WORDS: Mapping[QueueChange, str] = {
    QueueChange.ARRIVAL: "arrival",
    QueueChange.AMENDED: "place after an amendment",
    QueueChange.REFILL: "next slice",
    QueueChange.TRADED: "traded",
    QueueChange.CANCELLED: "others left",
    QueueChange.PASSED: "passed by a trade through the price",
    QueueChange.SHOWN_ANEW: "shown anew",
    QueueChange.TOLD_LATE: "told late",
    QueueChange.UNSEEN: "out of sight",
    QueueChange.FILLED: "filled",
    QueueChange.ENDED: "ended",
}
#: Row of a picture: side, price, what was shown, what could be had before and after, and our mark.
_Rung = tuple[str, LadderLevel, Decimal | None, str]


def explain(
    name: Annotated[str, typer.Argument(metavar="ORDER|FILL", help="Client order id, order id or fill id.")],
    why_not: Annotated[
        bool, typer.Option("--why-not", help="Only what kept it, or the rest of it, from filling.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=FILLS_MAX, help="At most so many of its fills.")] = 100,
    after: Annotated[
        int | None, typer.Option(min=0, max=INTEGER_MAX, help="Those that follow this one, as `next` says.")
    ] = None,
    as_json: JsonOption = False,
    session: StoredSessionOption = None,
) -> None:
    """Why an order filled at its prices, or why it did not: the book before and after, its queue, and what it cost."""

    async def read(database: Database, session_id: str) -> tuple[str, ToldOrder]:
        reader = SessionReader(database)
        record, fill = await order_or_fill_named(reader, session_id, name)
        if record is None:
            raise RefusedError(
                Code.UNKNOWN_ORDER,
                f"no order or fill of the session {session_id} is called {name}: `orders --all` and `fills` list them",
            )
        standing = None if record.status.is_final else standing_of(session_id, record.order_id)
        stands = "is open"
        if standing is None and (await reader.session(session_id)).status is SessionStatus.ENDED:
            stands = "was open when the session ended"
        if fill is None:
            return session_id, await read_told_order(
                reader, session_id, record, standing, after=after, limit=limit, stands=stands
            )
        begin = await before_step(reader, session_id, fill)
        told = await read_told_order(reader, session_id, record, standing, after=begin, stands=stands)
        asked = tuple(step for step in told.steps if name in {each.fill_id for each in step.fills})
        return session_id, replace(told, steps=asked, next=None)

    def hint(session_id: str, told: ToldOrder) -> str:
        """How to read on."""
        again = f"tg explain {name} --session {session_id} --limit {limit} --after {told.next}"
        return f"{sum(len(step.fills) for step in told.steps)} of its {told.fills} fills; the next: `{again}`"

    tell(
        as_json,
        read_session_of(session, read),
        lambda found: _view(found[1], name, why_not, hint(*found)),
        lambda found: found[1],
    )


class _Picture:
    """A queue over time, as wide as the terminal has room for, with the most and the least of it beside."""

    def __init__(self, known: list[tuple[int, Decimal | None]]) -> None:
        self._known = known

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        numbers = [ahead for _, ahead in self._known if ahead is not None]
        most, least = amount(max(numbers)), amount(min(numbers))
        room = options.max_width - 2 - max(most.cell_len, least.cell_len)
        rows = curve([(self._known, "")], max(min(_WIDTH, room), 1), _HEIGHT)
        for row, drawn in enumerate(rows):
            label = most if row == 0 else least if row == len(rows) - 1 else Text()
            yield Text.assemble(drawn, "  ", label)


def _view(told: ToldOrder, name: str, why_not: bool, hint: str) -> RenderableType:
    parts: list[RenderableType] = [Text(f"{told.client_order_id} ({told.order_id})", style="bold"), Text(told.headline)]
    if not why_not:
        asked = [step for step in told.steps if name in {fill.fill_id for fill in step.fills}]
        for number, step in enumerate(asked or told.steps):
            # Of one that is filled bit by bit where it waits one picture is enough.
            parts += ["", *_step_view(told, step, name, is_drawn=number == 0 or not step.maker)]
        if told.fills and not told.steps:
            parts += ["", Text(f"None of its {told.fills} fills comes after that.", style=WARNING)]
        if told.next is not None and not asked:
            parts += ["", Text(hint, style=WARNING)]
        if told.cost_words and not asked:
            parts += ["", Text(told.cost_words)]
    if told.why_not:
        parts += ["", *(Text(words) for words in told.why_not)]
    elif why_not:
        parts += ["", Text("Nothing kept it from filling: it filled whole.")]
    if told.seen is not None and (why_not or not told.steps):
        parts += ["", _ladder_view(told, told.seen, None, {}, None)]
    if len(told.queue) > 1:
        parts += ["", *_queue_view(told)]
    return Group(*parts)


def _step_view(told: ToldOrder, step: FillStep, name: str, is_drawn: bool) -> Iterator[RenderableType]:
    marked = {fill.fill_id: " <" if fill.fill_id == name else "" for fill in step.fills}
    ids = ", ".join(f"{each}{mark}" for each, mark in marked.items())
    yield Text(f"{iso(step.time_ns)[:23].replace('T', ' ')}  {'maker' if step.maker else 'taker'}  {ids}", style=QUIET)
    yield Text(step.words)
    if step.before is not None and is_drawn:
        taken = taken_of(step.fills)
        own = step.fills[0].price if step.maker else None
        yield _ladder_view(told, step.before, step.after, taken, own)
        shown = {level.price for level in (*step.before.bids, *step.before.asks)}
        if not step.maker and (beyond := exact_sum(lots for at, lots in taken.items() if at not in shown)):
            yield Text(f"and {amount(beyond)} beyond these prices")


def _ladder_view(
    told: ToldOrder,
    before: BookLadder,
    after: BookLadder | None,
    taken: Mapping[Decimal, Decimal],
    own: Decimal | None,
) -> RenderableType:
    """Asks above bids, as on a trading screen. `ours` marks where the order stood, at `own`, or what it took."""
    rungs = list(_rungs(told, before, after, taken, own, Side.SELL))[::-1]
    rungs += _rungs(told, before, after, taken, own, Side.BUY)
    columns = [
        ("side", lambda rung: rung[0], WHOLE),
        ("price", lambda rung: price(rung[1].price), RIGHT),
        ("shown", lambda rung: amount(rung[1].displayed), RIGHT),
        ("to be had", lambda rung: amount(rung[1].available), RIGHT),
        *([("after", lambda rung: amount(rung[2]), RIGHT)] if after is not None else []),
        ("ours", lambda rung: Text(rung[3], style="bold"), WHOLE),
    ]
    return table_of(rungs, *columns)


def _rungs(
    told: ToldOrder,
    before: BookLadder,
    after: BookLadder | None,
    taken: Mapping[Decimal, Decimal],
    own: Decimal | None,
    side: Side,
) -> Iterator[_Rung]:
    """The best levels of a side, and all that were taken; from the best on. An order that stood by itself has a row."""
    word, is_own_side = "ask" if side is Side.SELL else "bid", told.side == side.value
    left = {} if after is None else {level.price: level.available for level in after.side(side)}
    levels = list(before.side(side))
    own = own if is_own_side else None
    if own is not None and own not in {level.price for level in levels}:
        levels.append(LadderLevel(own, Decimal(0), Decimal(0)))
        levels.sort(key=lambda level: level.price, reverse=side is Side.BUY)
    for place, level in enumerate(levels):
        is_taken = level.price in taken and not is_own_side
        if place >= _SHOWN and not is_taken and level.price != own:
            continue
        mark = f"took {amount(taken[level.price])}" if is_taken else "here" if level.price == own else ""
        yield word, level, left.get(level.price), mark


def _queue_view(told: ToldOrder) -> Iterator[RenderableType]:
    """What stood in front over time, and the points behind it where there are few."""
    known = [(each.time_ns, each.ahead) for each in told.queue]
    base, first, last = told.symbol.partition("/")[0], told.queue[0], told.queue[-1]
    yield Text(f"The queue in front of it, {base}: {moment(first.time_ns)} to {moment(last.time_ns)}", style=QUIET)
    if sum(ahead is not None for _, ahead in known) > 1:
        yield _Picture(known)
    else:
        yield Text("How many stood in front could not be seen.")
    reasons = Counter(QUEUE_WORDS[each.why] for each in told.queue)
    yield Text("what is kept of it: " + ", ".join(f"{count} {why}" for why, count in reasons.items()), style=QUIET)
