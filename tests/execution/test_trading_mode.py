"""Nothing but the one complete, deliberate combination reaches live trading."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from triplegain.execution import trading_mode
from triplegain.execution.trading_mode import (
    CONFIRMATION,
    DecidedMode,
    TradingMode,
    TradingModeError,
    decide_trading_mode,
    enter_paper_trading,
    get_trading_mode,
    validate_live_start,
)

#: Ways to write each ingredient: (value or None for unset, does it count).
ENVIRONMENT = [
    (None, False), ("", False), ("   ", False), ("paper", False), ("PAPER", False), ("lives", False), ("li ve", False),
    ("true", False), ("1", False), ("live", True), ("LIVE", True), (" Live\t", True), ("\nliVe \r\n", True),
]  # fmt: skip
CONFIGURATION = [*ENVIRONMENT, (TradingMode.PAPER, False), (TradingMode.LIVE, True)]
CONFIRMATIONS = [
    (None, False), ("", False), ("yes", False), ("i_understand_the_risks", False), (f" {CONFIRMATION}", False),
    (f"{CONFIRMATION}\n", False), (CONFIRMATION[:-1], False), (CONFIRMATION, True),
]  # fmt: skip
KEYS = [(None, False), ("", False), ("  ", False), ("k", True)]


@pytest.fixture(autouse=True)
def a_new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test is a process that has not decided yet, with none of the variables."""
    monkeypatch.setattr(trading_mode, "_decided", None)
    for name in (trading_mode.MODE_VARIABLE, trading_mode.CONFIRMATION_VARIABLE, *trading_mode.KEY_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    yield


def environment(mode: str | None, confirmation: str | None, key: str | None, secret: str | None) -> dict[str, str]:
    named = {
        "TRIPLEGAIN_TRADING_MODE": mode,
        "TRIPLEGAIN_CONFIRM_LIVE_TRADING": confirmation,
        "KRAKEN_API_KEY": key,
        "KRAKEN_API_SECRET": secret,
    }
    return {name: value for name, value in named.items() if value is not None}


def live_environment() -> dict[str, str]:
    return environment("live", CONFIRMATION, "k", "s")


def test_over_the_whole_cross_product_only_the_full_combination_reaches_live(monkeypatch: pytest.MonkeyPatch) -> None:
    reached, refused, paper = 0, 0, 0
    for (env, env_ok), (cfg, cfg_ok), (phrase, phrase_ok), (key, key_ok), (secret, secret_ok) in itertools.product(
        ENVIRONMENT, CONFIGURATION, CONFIRMATIONS, KEYS, KEYS
    ):
        monkeypatch.setattr(trading_mode, "_decided", None)
        environ = environment(env, phrase, key, secret)
        both, complete = env_ok and cfg_ok, phrase_ok and key_ok and secret_ok
        assert get_trading_mode(environ, cfg) is (TradingMode.LIVE if both else TradingMode.PAPER)
        try:
            decided = decide_trading_mode(environ, cfg)
        except TradingModeError as error:
            assert both and not complete, (env, cfg, phrase, key, secret)
            assert str(error).startswith("SAFETY CHECK FAILED: ")
            refused += 1
            continue
        assert decided.mode is (TradingMode.LIVE if both and complete else TradingMode.PAPER)
        reached += decided.mode is TradingMode.LIVE
        paper += decided.mode is TradingMode.PAPER
    # Spellings that count: 4 of 13 in the environment, 5 of 15 in the configuration, 1 of 8 phrases, 1 of 4 keys each.
    assert reached == 4 * 5 * 1 * 1 * 1
    assert refused == 4 * 5 * (8 * 4 * 4 - 1)
    assert paper == (13 * 15 - 4 * 5) * 8 * 4 * 4


def test_among_plain_spellings_exactly_one_combination_of_sixteen_and_more_reaches_live() -> None:
    live = [
        choice
        for choice in itertools.product(("paper", "live"), ("paper", "live"), ("", CONFIRMATION), ("", "k"), ("", "s"))
        if _mode_of(*choice) == "live"
    ]
    assert live == [("live", "live", CONFIRMATION, "k", "s")]


def _mode_of(env: str, cfg: str, phrase: str, key: str, secret: str) -> str:
    trading_mode._decided = None
    try:
        return decide_trading_mode(environment(env, phrase, key, secret), cfg).mode.value
    except TradingModeError:
        return "refused"


def test_without_arguments_it_is_paper() -> None:
    assert get_trading_mode() is TradingMode.PAPER


def test_the_environment_alone_is_paper_and_the_warning_names_the_missing_half() -> None:
    decided = decide_trading_mode({"TRIPLEGAIN_TRADING_MODE": "live"}, "paper")
    assert decided.mode is TradingMode.PAPER
    assert decided.warnings == (
        "TRIPLEGAIN_TRADING_MODE asks for live, trading_mode in execution.yaml does not: trading on paper",
    )


def test_the_configuration_alone_is_paper_and_the_warning_names_the_missing_half() -> None:
    decided = decide_trading_mode({}, TradingMode.LIVE)
    assert decided.mode is TradingMode.PAPER
    assert decided.warnings == (
        "trading_mode in execution.yaml asks for live, TRIPLEGAIN_TRADING_MODE does not: trading on paper",
    )


def test_a_misspelt_mode_is_paper_with_a_warning() -> None:
    assert decide_trading_mode({"TRIPLEGAIN_TRADING_MODE": "lvie"}, "paper").warnings == (
        "TRIPLEGAIN_TRADING_MODE is 'lvie', which is no trading mode: paper",
    )


def test_plain_paper_has_nothing_to_warn_about() -> None:
    assert decide_trading_mode({"TRIPLEGAIN_TRADING_MODE": "Paper "}, "paper") == DecidedMode(TradingMode.PAPER)


def test_the_first_decision_stands_whatever_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = decide_trading_mode({}, "paper")
    monkeypatch.setenv("TRIPLEGAIN_TRADING_MODE", "live")
    assert decide_trading_mode(live_environment(), "live") is first
    assert get_trading_mode() is TradingMode.PAPER


def test_a_decision_cannot_be_edited() -> None:
    decided = decide_trading_mode({}, None)
    with pytest.raises(AttributeError):
        decided.mode = TradingMode.LIVE  # type: ignore[misc]


def test_everything_missing_for_live_is_named_and_no_key_is_shown() -> None:
    with pytest.raises(TradingModeError) as caught:
        validate_live_start({"KRAKEN_API_KEY": "hunter2"})
    said = str(caught.value)
    assert "TRIPLEGAIN_CONFIRM_LIVE_TRADING must be exactly I_UNDERSTAND_THE_RISKS" in said
    assert "KRAKEN_API_SECRET must not be empty" in said
    assert "KRAKEN_API_KEY must" not in said and "hunter2" not in said
    assert caught.value.exit_code == 4


def test_complete_live_answers_that_it_is_not_built_yet() -> None:
    with pytest.raises(TradingModeError, match="not built yet") as caught:
        enter_paper_trading(live_environment(), "live")
    assert caught.value.exit_code != 0


def test_a_paper_process_forgets_every_credential_of_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = ["KRAKEN_API_KEY", "KRAKEN_API_SECRET", "KRAKEN_PRIVATE_KEY", "kraken_otp", "MY_KRAKEN_API_TOKEN"]
    for name in credentials:
        monkeypatch.setenv(name, "hunter2")
    read_from_dotenv = dict.fromkeys(credentials, "hunter2") | {"OPENAI_API_KEY": "stays", "KRAKEN_FEED_URL": "stays"}
    assert enter_paper_trading(read_from_dotenv, "paper").mode is TradingMode.PAPER
    assert read_from_dotenv == {"OPENAI_API_KEY": "stays", "KRAKEN_FEED_URL": "stays"}
    assert "hunter2" not in os.environ.values()


def test_each_mode_has_its_own_tables() -> None:
    assert (TradingMode.PAPER.table_prefix, TradingMode.LIVE.table_prefix) == ("paper_", "")
