"""What a person or a record sees of the configuration."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

from triplegain.config import Config, config_as_dict, load_config
from triplegain.config.display import MASK


def test_a_secret_is_masked_everywhere(tmp_path: Path) -> None:
    config = load_config({"TRIPLEGAIN_DATABASE_URL": "postgresql://me:hunter2@db/tg"}, tmp_path)
    shown = config_as_dict(config)
    assert shown["database"]["url"] == MASK
    assert "hunter2" not in json.dumps(shown) + repr(config) + str(config)


def test_an_unset_secret_is_shown_as_unset() -> None:
    assert config_as_dict(Config())["database"]["url"] == ""


def test_exact_numbers_are_text_without_exponent(tmp_path: Path) -> None:
    (tmp_path / "execution.yaml").write_text(
        "paper_trading: {initial_balance: {BTC: 1e-8, USDT: 1E+4}}", encoding="utf-8"
    )
    balances = config_as_dict(load_config({}, tmp_path))["execution"]["paper_trading"]["initial_balance"]
    assert balances == {"BTC": "0.00000001", "USDT": "10000"}


def test_the_tree_travels_to_another_process_unchanged() -> None:
    assert pickle.loads(pickle.dumps(Config())) == Config()
