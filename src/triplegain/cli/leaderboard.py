"""`leaderboard`: the models of a session by name, as nothing here is a ranking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from triplegain.cli.client import JsonOption, StoredSessionOption, tell
from triplegain.cli.database import read_session_of
from triplegain.cli.tables import RIGHT, WARNING, WHOLE, duration, percent, table_of
from triplegain.domain.json_form import with_derived
from triplegain.storage.leaderboard import HorizonFigures, Leaderboard, ModelFigures, read_leaderboard
from triplegain.storage.luck import HitRateInterval, hit_rate_interval, votes_to_tell

#: An advantage worth having, for saying how long it takes to be seen.
_EXAMPLE = 0.55
_CAVEAT = "Votes of neighbouring hours share their market: the true ranges are wider still."


def leaderboard(session: StoredSessionOption = None, as_json: JsonOption = False) -> None:
    """Votes, failures, hit rates and costs by model, with the range in which luck alone may put them."""
    tell(as_json, read_session_of(session, read_leaderboard), leaderboard_view, leaderboard_as_json)


def leaderboard_as_json(board: Leaderboard) -> dict[str, Any]:
    """Every figure; intervals as shares from 0 to 1."""
    return {
        "mode": "paper",
        "session": board.session_id,
        "models": [_model_json(model, board.comparisons) for model in board.models],
        "verdict": " ".join(_verdict(board)),
    }


def leaderboard_view(board: Leaderboard) -> RenderableType:
    """For eyes: who answered and what it cost, how the votes turned out, and what that is worth."""
    if not board.models:
        return Text(f"PAPER  no model has voted in {board.session_id}")
    parts: list[RenderableType] = [_answers(board)]
    if any(model.horizons for model in board.models):
        parts.append(_outcomes(board))
    parts.append(Text(" ".join(_verdict(board)), style="bold"))
    return Group(*parts)


def _answers(board: Leaderboard) -> RenderableType:
    return table_of(
        board.models,
        ("model", lambda each: each.model, WHOLE),
        ("asked", "asked", RIGHT),
        ("valid", "valid", RIGHT),
        ("coverage", lambda each: percent(each.coverage_percent), RIGHT),
        ("late", "late", RIGHT),
        ("latency", lambda each: "" if each.latency_ns is None else f"{each.latency_ns / 10**9:.1f} s", RIGHT),
        ("cost USD", lambda each: f"{each.cost_usd:.4f}", RIGHT),
        ("failures", _failures),
        title=f"PAPER  Models of {board.session_id}, by name",
    )


def _failures(model: ModelFigures) -> Text:
    told = ", ".join(f"{count} {_kind(kind)}" for kind, count in model.failures.items())
    return Text(told, style=WARNING if any(model.failures) else "")


def _outcomes(board: Leaderboard) -> RenderableType:
    return table_of(
        [(model.model, each) for model in board.models for each in model.horizons],
        ("model", lambda row: row[0], WHOLE),
        ("after", lambda row: duration(row[1].horizon_ns), WHOLE),
        ("votes", lambda row: str(row[1].sided), RIGHT),
        ("hits", lambda row: percent(row[1].hit_percent) if row[1].sided else "", RIGHT),
        ("luck explains", lambda row: _luck(_interval(row[1], board.comparisons)), RIGHT),
        ("net bps", lambda row: "" if row[1].mean_net_bps is None else f"{row[1].mean_net_bps:+.1f}", RIGHT),
        ("unknown", lambda row: str(row[1].unknown), RIGHT),
        title="Votes with a side, after costs",
    )


def _luck(interval: HitRateInterval | None) -> str:
    """Whether tossing coins may give as much, and the range in which the true rate lies."""
    if interval is None:
        return ""
    return f"{'yes' if interval.is_a_coin else 'no'}, {_range(interval)}"


def _verdict(board: Leaderboard) -> Iterator[str]:
    """Plain sentences."""
    told = [
        (model, each, interval)
        for model in board.models
        for each in model.horizons
        if (interval := _interval(each, board.comparisons)) is not None and not interval.is_a_coin
    ]
    if not board.comparisons:
        yield "No vote with a side has an outcome yet: nothing can be said about any model."
        return
    if not told:
        most = max(each.sided for model in board.models for each in model.horizons)
        yield (
            f"These numbers cannot tell skill from luck: with at most {most} votes to a model, tossing a coin may look "
            f"the same. A model that is right {_EXAMPLE:.0%} of the time needs about "
            f"{votes_to_tell(_EXAMPLE, board.comparisons):,} votes to be told from one."
        )
    for model, each, interval in told:
        better = "more often right than a coin" if interval.low > 0.5 else "less often right than a coin, after costs"
        yield (
            f"{model.model} is {better} after {duration(each.horizon_ns)}: {_range(interval)}, "
            f"all {board.comparisons} comparisons allowed for."
        )
    yield _CAVEAT


def _interval(each: HorizonFigures, comparisons: int) -> HitRateInterval | None:
    return hit_rate_interval(each.hits, each.sided, comparisons) if each.sided else None


def _range(interval: HitRateInterval) -> str:
    return f"{interval.low * 100:.0f} to {interval.high * 100:.0f} %"


def _kind(kind: str) -> str:
    return kind.replace("_", " ") or "without an opinion"


def _model_json(model: ModelFigures, comparisons: int) -> dict[str, Any]:
    return with_derived(model, "coverage_percent") | {
        "failures": {kind or "no_opinion": count for kind, count in model.failures.items()},
        "horizons": [
            with_derived(each, "hit_percent", "mean_net_bps") | {"hit_rate_range": _interval(each, comparisons)}
            for each in model.horizons
        ],
    }
