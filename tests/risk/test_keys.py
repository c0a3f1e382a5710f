"""Every key of `risk.yaml` decides something: the pairs of scenes of `key_pairs.py`, and the key moved."""

from __future__ import annotations

from typing import Any

import pytest
from tests.risk.base_case import D
from tests.risk.key_pairs import PAIRS
from tests.risk.scene import Scene, configured, seen

from triplegain.config import Config
from triplegain.config.tree import KEYS
from triplegain.domain.proposal import Regime, Strictness
from triplegain.risk.limits import RiskLimits


def test_no_key_is_without_its_pair() -> None:
    of_the_file = {".".join(path[1:]) for path in KEYS if path[0] == "risk"}
    assert set(PAIRS) == of_the_file | {"positions.max_open", "positions.max_per_symbol"}


def test_the_base_scene_is_approved_as_it_stands() -> None:
    assert seen(Scene(), Config()) == ("approved", (), D(1), 1, None)


@pytest.mark.parametrize("key", PAIRS)
def test_a_step_over_the_threshold_changes_the_verdict(key: str) -> None:
    pair = PAIRS[key]
    config = configured(pair.around)
    inside, outside = seen(pair.inside, config), seen(pair.outside, config)
    assert pair.rule in outside[1] and pair.rule not in inside[1]
    assert inside[0] in ("approved", "modified")
    assert inside != outside


@pytest.mark.parametrize("key", PAIRS)
def test_moving_the_key_moves_the_threshold(key: str) -> None:
    pair = PAIRS[key]
    before, after = configured(pair.around), configured(pair.around, key, pair.moved)
    assert [seen(scene, before) for scene in (pair.inside, pair.outside)] != [
        seen(scene, after) for scene in (pair.inside, pair.outside)
    ]


def test_a_row_of_a_regime_keeps_what_is_not_written() -> None:
    config = configured({"regimes.ranging": {"max_leverage": 1}})
    row = config.risk.regimes[Regime.RANGING]
    assert (row.size, row.confidence_min, row.strictness, row.leverage_max) == (
        D("0.75"), D("0.60"), Strictness.STRICT, 1,
    )  # fmt: skip


def test_the_limits_of_an_empty_configuration_are_the_defaults() -> None:
    assert Config().risk == RiskLimits()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("trading_hours.banned_hours", ["22:00"], "hours read 22:00-06:30"),
        ("trading_hours.banned_hours", ["24:00-06:00"], "hours read 22:00-06:30"),
        ("trading_hours.banned_hours", ["06:00-06:00"], "hours read 22:00-06:30"),
        ("trading_hours.banned_weekdays", ["someday"], "a weekday is one of"),
        ("losing_streak.losses", 5, "must be below long_losing_streak.losses"),
        ("confidence_leverage", [["0.6", 2], ["0.8", 5]], "the confidences must fall"),
        ("drawdown_leverage", [[5, 3], [10, 2]], "the drawdowns must fall"),
        ("drawdown_leverage", [[10, 3], [5, 2]], "no leverage may fall"),
        ("regimes.choppy", {"strictness": "lax"}, "relaxed"),
        ("regimes.choppy", {"size": 1}, "unknown key"),
        ("breakers.drawdown_pct", 0, "greater than 0"),
    ],
)
def test_what_cannot_be_meant_is_not_taken(key: str, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        configured({key: value})
