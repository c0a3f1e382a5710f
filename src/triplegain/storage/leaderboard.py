"""How the models of a session have done: counts and sums over their stored votes and what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from triplegain.domain.money import divide
from triplegain.domain.statement import percent_of
from triplegain.storage.database import Database
from triplegain.storage.rows import read
from triplegain.storage.session_store import session_row

#: A vote without a decision came too late: it is told, and counts for nothing else.
_VOTES = """
SELECT model, count(decision_number) AS asked, count(*) - count(decision_number) AS late,
       count(decision_number) FILTER (WHERE action <> 'abstain') AS valid,
       avg(latency_ns) FILTER (WHERE action <> 'abstain')::bigint AS latency_ns, sum(cost_usd) AS cost_usd
FROM paper_votes WHERE session_id = $1 GROUP BY model ORDER BY model
"""
_FAILURES = """
SELECT model, failure, count(*) AS n FROM paper_votes
WHERE session_id = $1 AND action = 'abstain' AND decision_number IS NOT NULL
GROUP BY model, failure ORDER BY model, n DESC, failure
"""
_OUTCOMES = """
SELECT v.model, o.horizon_ns, count(o.net) AS known, count(*) - count(o.net) AS unknown,
       count(*) FILTER (WHERE o.net <> 0) AS sided, count(*) FILTER (WHERE o.net > 0) AS hits,
       coalesce(sum(o.net), 0) AS net
FROM paper_outcomes o JOIN paper_votes v ON v.session_id = o.session_id AND v.number = o.vote_number
WHERE o.session_id = $1 AND v.decision_number IS NOT NULL
GROUP BY v.model, o.horizon_ns ORDER BY v.model, o.horizon_ns
"""


class HorizonFigures(msgspec.Struct, frozen=True):
    """What came of a model's votes after one time.

    Of `known` outcomes `sided` are of votes that something was to be won or lost by following; holds are not among
    them. `hits` of these earned more than they cost. `net` is the sum of fractions after costs.
    """

    horizon_ns: int
    known: int
    unknown: int
    sided: int
    hits: int
    net: Decimal

    @property
    def hit_percent(self) -> Decimal | None:
        """None before the first vote with a side."""
        return percent_of(Decimal(self.hits), Decimal(self.sided))

    @property
    def mean_net_bps(self) -> Decimal | None:
        """Of the votes with a side, after costs."""
        return divide(self.net * 10_000, Decimal(self.sided)) if self.sided else None


class ModelFigures(msgspec.Struct, frozen=True):
    """One model. `valid` of the `asked` answers were an opinion in time; `failures` says by kind what the rest were.

    An abstention that is no failure stands under the empty word. `latency_ns` is the mean of the opinions, None
    without one.
    """

    model: str
    asked: int
    late: int
    valid: int
    latency_ns: int | None
    cost_usd: Decimal
    failures: Mapping[str, int]
    horizons: tuple[HorizonFigures, ...]

    @property
    def coverage_percent(self) -> Decimal | None:
        return percent_of(Decimal(self.valid), Decimal(self.asked))


class Leaderboard(msgspec.Struct, frozen=True):
    """Every model that voted, by name: this is no ranking."""

    session_id: str
    models: tuple[ModelFigures, ...]

    @property
    def comparisons(self) -> int:
        """Hit rates that are looked at: the more there are, the luckier the best of them."""
        return sum(each.sided > 0 for model in self.models for each in model.horizons)


async def read_leaderboard(database: Database, session_id: str) -> Leaderboard:
    """All of one moment. Raises SessionNotFoundError."""
    async with database.transaction("reading how models have done", snapshot=True) as connection:
        await session_row(connection, session_id)
        votes = await connection.fetch(_VOTES, session_id)
        failures: dict[str, dict[str, int]] = {}
        for row in await connection.fetch(_FAILURES, session_id):
            failures.setdefault(row["model"], {})[row["failure"]] = row["n"]
        horizons: dict[str, list[HorizonFigures]] = {}
        for row in await connection.fetch(_OUTCOMES, session_id):
            horizons.setdefault(row["model"], []).append(read(HorizonFigures, row))
    return Leaderboard(
        session_id,
        tuple(
            ModelFigures(**row, failures=failures.get(row["model"], {}), horizons=tuple(horizons.get(row["model"], ())))
            for row in votes
        ),
    )
