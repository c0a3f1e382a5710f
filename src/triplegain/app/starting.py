"""The first lines of every trading process: configuration, mode, and forgetting the real exchange's keys."""

from __future__ import annotations

from pathlib import Path

from triplegain.config import Config, ConfigurationError, home_dir, load_config, read_environment
from triplegain.config.infrastructure import PriceSourceName
from triplegain.execution.trading_mode import enter_paper_trading


def start_paper_process() -> tuple[Config, Path, tuple[str, ...]]:
    """Configuration, home folder, and warnings about half-made requests for live trading.

    Raises TradingModeError when live trading was asked for, ConfigurationError when paper trading is switched off.
    """
    environ = read_environment()
    config = load_config(environ)
    decided = enter_paper_trading(environ, config.paper.trading_mode)
    if not config.paper.enabled:
        raise ConfigurationError(
            "paper trading is switched off: set paper_trading.enabled: true in execution.yaml to start it"
        )
    if config.paper.db_table_prefix != decided.mode.table_prefix:
        raise ConfigurationError(f"paper trading writes to the tables {decided.mode.table_prefix}… and to no others")
    source = config.paper.price_source
    warnings = list(decided.warnings)
    if source is PriceSourceName.MOCK:
        warnings.append("price_source is mock: mock prices never fill an order, every order will be refused")
    if config.api.allow_remote:
        warnings.append(f"api.allow_remote is set: the API on {config.api.host} may be reached from other machines")
    return config, home_dir(), tuple(warnings)
