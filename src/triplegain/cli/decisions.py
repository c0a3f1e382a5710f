"""`decisions`: what was decided, with what led to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from triplegain.cli.client import JsonOption, StoredSessionOption, tell
from triplegain.cli.database import read_session_of
from triplegain.cli.tables import GAIN, QUIET, WARNING, moment, pairs
from triplegain.domain.agent_records import VoteRecord
from triplegain.domain.json_form import plain_json
from triplegain.domain.outside import tame
from triplegain.domain.records import DecisionRecord, Outcome
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader

_LEVELS = ("entry", "stop", "target")
_STYLES = {Outcome.SENT: GAIN, Outcome.REFUSED: WARNING}


def decisions(
    session: StoredSessionOption = None,
    symbol: Annotated[str | None, typer.Option(help="Of this pair only, like BTC/USDT.")] = None,
    outcome: Annotated[Outcome | None, typer.Option(case_sensitive=False, help="Of this outcome only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the latest first.")] = 20,
    before: Annotated[int | None, typer.Option(min=1, metavar="NUMBER", help="Only those before this one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The decisions of a session with their votes, the risk engine's clamps, and the order that came of each."""
    pair = symbol and symbol.upper()
    read = partial(read_trail, symbol=pair, outcome=outcome and outcome.value, limit=limit, before=before)
    tell(as_json, read_session_of(session, read), decisions_view, trail_as_json)


@dataclass(frozen=True, slots=True)
class Trail:
    """Decisions, the latest first, and the votes that counted for each, by its number."""

    session_id: str
    decisions: Sequence[DecisionRecord]
    votes: Mapping[int, Sequence[VoteRecord]]


async def read_trail(
    database: Database, session_id: str, *, symbol: str | None, outcome: str | None, limit: int, before: int | None
) -> Trail:
    """Raises SessionNotFoundError."""
    reader = SessionReader(database)
    await reader.session(session_id)
    found = await reader.decisions(
        session_id, symbol=symbol, outcome=outcome, after=before, limit=limit, newest_first=True
    )
    return Trail(session_id, found, await reader.votes_of(session_id, found))


def trail_as_json(trail: Trail) -> dict[str, Any]:
    """Everything that is stored of them."""
    return {
        "mode": "paper",
        "session": trail.session_id,
        "decisions": [
            plain_json(decision) | {"votes": plain_json(trail.votes.get(decision.number, ()))}
            for decision in trail.decisions
        ],
    }


def decisions_view(trail: Trail) -> RenderableType:
    """For eyes: one block for each decision."""
    if not trail.decisions:
        return Text(f"PAPER  no such decision in {trail.session_id}")
    parts: list[RenderableType] = [Text(f"PAPER  Decisions of {trail.session_id}, times in UTC", style="bold")]
    for decision in trail.decisions:
        parts += [Text(""), _title(decision)]
        rows = list(_rows(decision, trail.votes.get(decision.number, ())))
        if rows:
            parts.append(Padding(pairs(rows), (0, 0, 0, 2), expand=False))
    return Group(*parts)


def _title(decision: DecisionRecord) -> Text:
    words = decision.action.replace("_", " ")
    opinion = words if decision.action == "abstain" else f"{words} {decision.confidence:.2f}"
    return Text.assemble(
        (f"#{decision.number}", "bold"),
        f"  {moment(decision.time_ns)}  {decision.symbol}  {decision.agent}: {opinion}  ",
        (decision.outcome, _STYLES.get(decision.outcome, QUIET)),
    )


def _rows(decision: DecisionRecord, votes: Sequence[VoteRecord]) -> Iterator[tuple[str, RenderableType]]:
    details = decision.details
    if votes:
        yield "Votes", Text("; ".join(_vote(vote) for vote in votes))
    if risk := list(_risk(details)):
        yield "Risk", Text("; ".join(risk))
    if sent := _sent(decision):
        yield "Sent", Text(sent)
    if reasons := "; ".join(tame(reason) for reason in decision.reasons if reason):
        yield "Why" if decision.outcome is Outcome.SENT else "Why not", Text(reasons)


def _vote(vote: VoteRecord) -> str:
    if vote.action == "abstain":
        reason = vote.failure.replace("_", " ") or vote.reasoning or "no opinion"
        return f"{vote.model} abstains ({tame(reason, 80)})"
    opinion = f"{vote.model} {vote.action.replace('_', ' ')}"
    return opinion if vote.confidence is None else f"{opinion} {vote.confidence:.2f}"


def _risk(details: Mapping[str, Any]) -> Iterator[str]:
    """What the engine changed, warned of, and the rules that refused."""
    for clamp in _listed(details, "clamps"):
        if isinstance(clamp, Mapping):
            rule, before, after = (tame(str(clamp.get(name, "unknown")), 60) for name in ("rule", "from", "to"))
            yield f"{rule.replace('_', ' ')} cut {before} to {after}"
    for warning in _listed(details, "warnings"):
        yield f"warned: {tame(str(warning), 120)}"
    if rules := [tame(str(rule), 60).replace("_", " ") for rule in _listed(details, "rules")]:
        yield f"refused by {', '.join(rules)}"


def _sent(decision: DecisionRecord) -> str:
    if decision.outcome is not Outcome.SENT:
        return ""
    details = decision.details
    parts = [f"order {decision.client_order_id}"] if decision.client_order_id else []
    if "quantity" in details:
        parts.append(f"{tame(str(details['quantity']))} {decision.symbol.partition('/')[0]}")
    parts += [f"{name} {tame(str(details[name]))}" for name in _LEVELS if name in details]
    if closes := [tame(str(each), 60) for each in _listed(details, "closes")]:
        parts.append(f"closes {', '.join(closes)}")
    return ", ".join(parts)


def _listed(details: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = details.get(name, ())
    return found if isinstance(found, (list, tuple)) else ()
