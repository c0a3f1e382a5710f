"""Reading the configuration: defaults, overrides, and every way to get it wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError
from decimal import Decimal
from pathlib import Path

import pytest

from triplegain import resources
from triplegain.config import Config, ConfigurationError, check_config, config_as_dict, load_config
from triplegain.config.tree import FILES

Folder = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes a configuration folder of these files."""

    def make(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return make


def the_only_problem(folder: Path, environ: Mapping[str, str] | None = None) -> str:
    problems = check_config(environ or {}, folder)
    assert len(problems) == 1, problems
    return str(problems[0]).removeprefix(f"{folder}/")


def test_the_files_that_come_with_it_say_exactly_the_defaults() -> None:
    assert load_config({}, resources.config_dir()) == Config()


def test_every_part_has_its_file() -> None:
    assert {file.stem for file in resources.config_dir().glob("*.yaml")} == set(FILES)


def test_an_empty_folder_gives_the_defaults(tmp_path: Path) -> None:
    assert load_config({}, tmp_path) == Config()


def test_a_single_key_changes_only_itself(folder: Folder) -> None:
    config = load_config({}, folder({"execution.yaml": "paper_trading:\n  max_trade_history: 7\n"}))
    assert config.paper.max_trade_history == 7
    assert config.paper.initial_balance == {"USDT": 10000, "BTC": 0, "XRP": 0}
    assert config.risk == Config().risk


def test_a_table_of_balances_is_replaced_not_mixed_with_the_default(folder: Folder) -> None:
    config = load_config({}, folder({"execution.yaml": "paper_trading:\n  initial_balance: {usd: 250.10}\n"}))
    assert dict(config.paper.initial_balance) == {"USD": Decimal("250.1")}


@pytest.mark.parametrize(
    "written",
    ["0.1", "10000.000000000000000001", "123456789012345.123456789012345678", "1e-8", "'0.30'"],
)
def test_an_amount_is_the_decimal_of_its_text(folder: Folder, written: str) -> None:
    config = load_config({}, folder({"execution.yaml": f"paper_trading:\n  initial_balance: {{USDT: {written}}}\n"}))
    assert config.paper.initial_balance["USDT"] == Decimal(written.strip("'"))


def test_cancel_and_response_delay_follow_the_placing_delay_unless_set(folder: Folder) -> None:
    config = load_config({}, folder({"execution.yaml": "paper_trading: {fill_delay_ms: 40, response_delay_ms: 5}\n"}))
    delays = (config.exchange.place_delay_ns, config.exchange.cancel_delay_ns, config.exchange.response_delay_ns)
    assert delays == (40_000_000, 40_000_000, 5_000_000)
    shown = config_as_dict(config)["execution"]["paper_trading"]
    assert (shown["fill_delay_ms"], shown["cancel_delay_ms"], shown["response_delay_ms"]) == (40, 40, 5)


def test_the_tree_cannot_be_changed() -> None:
    config = Config()
    with pytest.raises(FrozenInstanceError):
        config.risk.confidence_min = Decimal(0)  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.paper.initial_balance["USDT"] = Decimal(1)  # type: ignore[index]
    assert hash(config) == hash(Config())


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "execution.yaml",
            "trading_mode: paper\npaper_trading:\n  fil_delay_ms: 5\n",
            "execution.yaml:3: paper_trading.fil_delay_ms: unknown key; did you mean paper_trading.fill_delay_ms?",
        ),
        (
            "execution.yaml",
            "fill_delay_ms: 5\n",
            "execution.yaml:1: fill_delay_ms: unknown key; did you mean paper_trading.fill_delay_ms?",
        ),
        (
            "risk.yaml",
            "stop_loss:\n  minimum_pct: 1\n",
            "risk.yaml:2: stop_loss.minimum_pct: unknown key; did you mean stop_loss.min_pct?",
        ),
        ("api.yaml", "zzzz: 1\n", "api.yaml:1: zzzz: unknown key, and none is like it"),
        ("orchestration.yaml", "demo_seed: many\n", "orchestration.yaml:1: demo_seed: Input should be a valid integer"),
        ("orchestration.yaml", "demo_seed:\n", "orchestration.yaml:1: demo_seed: has no value; remove the key"),
        ("orchestration.yaml", "demo_seed: 1\ndemo_seed: 2\n", "orchestration.yaml:2: demo_seed: stands here and on l"),
        ("orchestration.yaml", "demo_seed: [\n", "orchestration.yaml:2: not valid YAML"),
        ("orchestration.yaml", "- demo_seed\n", "orchestration.yaml:1: a configuration file is a list of `key: val"),
        ("risk.yaml", "max_exposure_pct: .nan\n", "risk.yaml:1: max_exposure_pct: number is not a number"),
        ("risk.yaml", "max_exposure_pct: NaN\n", "risk.yaml:1: max_exposure_pct: number must be finite"),
        ("risk.yaml", "max_exposure_pct: 101\n", "risk.yaml:1: max_exposure_pct: Input should be less than or equal"),
        ("risk.yaml", "max_exposure_pct: -1\n", "risk.yaml:1: max_exposure_pct: Input should be greater than or equa"),
        ("risk.yaml", "stop_loss: {min_pct: 6}\n", "risk.yaml:1: stop_loss: min_pct 6 is above max_pct 5"),
        (
            "risk.yaml",
            "stop_loss:\n  per_symbol_max_pct: {BTC/USDT: 9}\n",
            "risk.yaml:1: stop_loss: per_symbol_max_pct of BTC/USDT is outside 0.5 to 5",
        ),
        (
            "risk.yaml",
            "confidence_multipliers: [[0.6, 0.25], [0.85, 1]]\n",
            "risk.yaml:1: confidence_multipliers: the confidences must fall",
        ),
        (
            "execution.yaml",
            "paper_trading: {db_table_prefix: live_}\n",
            'execution.yaml:1: paper_trading.db_table_prefix: the tables of paper trading are named "paper_',
        ),
        (
            "execution.yaml",
            "paper_trading: {initial_balance: {USDT: -1}}\n",
            "execution.yaml:1: paper_trading.initial_balance.USDT: Input should be greater than or equal to 0; this is",
        ),
        (
            "execution.yaml",
            "paper_trading: {price_source: guess}\n",
            "execution.yaml:1: paper_trading.price_source: Input should be 'live_feed', 'historical' or 'mock'",
        ),
        ("execution.yaml", "trading_mode: lvie\n", "execution.yaml:1: trading_mode: Input should be 'paper' or 'live'"),
        (
            "execution.yaml",
            "positions: {max_per_symbol: 6}\n",
            "execution.yaml: positions.max_per_symbol cannot be above positions.max_open",
        ),
        ("execution.yaml", "paper_trading: {fill_delay_ms: -1}\n", "execution.yaml:1: paper_trading.fill_delay_ms: In"),
        ("agents.yaml", "baseline_ema: {fast: 21}\n", "agents.yaml:1: baseline_ema: fast (21) must be below slow (21)"),
        (
            "agents.yaml",
            "baseline_ema: {candle_length: {demo: 0s}}\n",
            "agents.yaml:1: baseline_ema.candle_length.demo: a candle length reads 1s, 5m, 1h, 1d or auto, this",
        ),
        ("api.yaml", "host: 0.0.0.0\n", "api.yaml: host 0.0.0.0 can be reached from other machines"),
        ("api.yaml", "port: 70000\n", "api.yaml:1: port: Input should be less than or equal to 65535; this is"),
        ("exectuion.yaml", "", "exectuion.yaml: nothing reads this file; did you mean execution.yaml?"),
        ("risk.yml", "", "risk.yml: nothing reads this file; did you mean risk.yaml?"),
    ],
)
def test_a_mistake_is_told_with_file_line_key_and_reason(folder: Folder, file: str, text: str, said: str) -> None:
    assert the_only_problem(folder({file: text})).startswith(said)


def test_a_value_is_repeated_only_as_far_as_somebody_reads_it(folder: Folder) -> None:
    told = the_only_problem(folder({"operation.yaml": f"log: {{level: {'x' * 100_000}}}\n"}))
    assert "this is 'xxx" in told and len(told) < 500


def test_all_mistakes_are_told_at_once(folder: Folder) -> None:
    place = folder({"api.yaml": "prot: 1\nhots: a\n", "orchestration.yaml": "demo_sed: 1\n"})
    with pytest.raises(ConfigurationError) as caught:
        load_config({}, place)
    assert [problem.key for problem in caught.value.problems] == ["demo_sed", "prot", "hots"]
    assert caught.value.exit_code == 3


def test_another_address_is_allowed_when_meant(folder: Folder) -> None:
    assert load_config({}, folder({"api.yaml": "host: 0.0.0.0\nallow_remote: true\n"})).api.host == "0.0.0.0"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_loopback_addresses_need_no_permission(folder: Folder, host: str) -> None:
    assert load_config({}, folder({"api.yaml": f"host: '{host}'\n"})).api.host == host


def test_a_variable_fills_a_value_and_its_absence_is_told(folder: Folder) -> None:
    place = folder({"orchestration.yaml": "demo_seed: ${SEED}\nquote_stale_s: ${STALE:-30}\n"})
    paper = load_config({"SEED": "42"}, place).paper
    assert (paper.demo_seed, paper.quote_stale_ns) == (42, 30_000_000_000)
    assert "demo_seed: needs the environment variable SEED" in the_only_problem(place)


def test_the_database_variable_works_without_any_file(tmp_path: Path) -> None:
    config = load_config({"TRIPLEGAIN_DATABASE_URL": "postgresql://me:pw@db/tg"}, tmp_path)
    assert config.database.url.get_secret_value() == "postgresql://me:pw@db/tg"


@pytest.mark.parametrize("secret", ["mysql://me:hunter2@db/tg", "hunter2"])
def test_a_faulty_secret_is_never_repeated(tmp_path: Path, secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_config({"TRIPLEGAIN_DATABASE_URL": secret}, tmp_path)
    assert "must start with postgresql://" in str(caught.value)
    assert "hunter2" not in str(caught.value) + repr(caught.value.problems)


@pytest.mark.parametrize("host", ["h:port", "[::1", "h:1,x:y", "a:1:2", "h:123456"])
def test_a_database_whose_port_is_no_number_is_refused_in_words(host: str) -> None:
    with pytest.raises(ConfigurationError, match="the port a number") as refused:
        load_config({"TRIPLEGAIN_DATABASE_URL": f"postgresql://u:hidden@{host}/d"})
    assert "hidden" not in str(refused.value)
    for good in ("h", "h:5432", "[::1]:5432", "a:1,b:2", ""):
        assert load_config(
            {"TRIPLEGAIN_DATABASE_URL": f"postgresql://u@{good}/d?host=/tmp"}
        ).database.url.get_secret_value()


def test_a_value_from_a_variable_is_not_repeated_in_an_error(folder: Folder) -> None:
    place = folder({"orchestration.yaml": "demo_seed: ${SEED}\n"})
    assert "hunter2" not in the_only_problem(place, {"SEED": "hunter2"})


def test_the_folder_of_the_user_is_named_by_a_variable(folder: Folder) -> None:
    place = folder({"orchestration.yaml": "demo_seed: 9\n"})
    assert load_config({"TRIPLEGAIN_CONFIG_DIR": str(place)}).paper.demo_seed == 9


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    environ = {"TRIPLEGAIN_CONFIG_DIR": str(tmp_path / "none")}
    with pytest.raises(ConfigurationError, match="is not a folder"):
        load_config(environ)
    assert len(check_config(environ)) == 1


def test_a_file_that_is_no_text_is_an_error(folder: Folder) -> None:
    place = folder({})
    (place / "risk.yaml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in the_only_problem(place)


def test_an_anchor_that_contains_itself_is_an_error(folder: Folder) -> None:
    assert "contains itself" in the_only_problem(folder({"api.yaml": "host: &a [*a]\n"}))
