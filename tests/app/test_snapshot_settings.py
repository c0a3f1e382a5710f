from __future__ import annotations

from pathlib import Path

from triplegain.app.snapshot_settings import indicator_settings, snapshot_settings
from triplegain.config.loader import check_config, load_config
from triplegain.domain.clock import SECOND_NS
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.snapshot.settings import SnapshotSettings


def test_the_configured_defaults_are_the_rooms_own() -> None:
    config = load_config({})
    assert indicator_settings(config) == IndicatorSettings()
    assert snapshot_settings(config) == SnapshotSettings()


def test_what_is_written_arrives(tmp_path: Path) -> None:
    (tmp_path / "indicators.yaml").write_text("ema: [5, 10, 20]\nkeltner:\n  squeeze_multiple: 1.25\n")
    (tmp_path / "snapshot.yaml").write_text("look_back:\n  30m: 7\n  1W: 3\nprimary: 30m\nlate_after_s: 3\n")
    config = load_config({}, tmp_path)
    assert indicator_settings(config) == IndicatorSettings(ema=(5, 10, 20), squeeze_multiple=1.25)
    settings = snapshot_settings(config)
    assert (dict(settings.look_back), settings.primary, settings.late_after_ns) == (
        {"30m": 7, "1w": 3},
        "30m",
        3 * SECOND_NS,
    )


def test_settings_at_odds_are_told_with_their_file(tmp_path: Path) -> None:
    (tmp_path / "indicators.yaml").write_text("macd:\n  fast: 30\n")
    (tmp_path / "snapshot.yaml").write_text("primary: 12h\n")
    assert [(Path(each.file).name, "must be below slow" in each.message) for each in check_config({}, tmp_path)] == [
        ("indicators.yaml", True),
        ("snapshot.yaml", False),
    ]
