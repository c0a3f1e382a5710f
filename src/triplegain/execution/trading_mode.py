"""Paper or live. Everything that is not a complete, deliberate request for live trading is paper.

Live needs all of: `TRIPLEGAIN_TRADING_MODE=live`, `trading_mode: live` in `execution.yaml`, the confirmation sentence,
and both Kraken keys. The mode is decided once, at process start, and a paper process drops the keys.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from triplegain.domain.errors import TripleGainError

MODE_VARIABLE: Final = "TRIPLEGAIN_TRADING_MODE"
CONFIRMATION_VARIABLE: Final = "TRIPLEGAIN_CONFIRM_LIVE_TRADING"
CONFIRMATION: Final = "I_UNDERSTAND_THE_RISKS"
KEY_VARIABLES: Final = ("KRAKEN_API_KEY", "KRAKEN_API_SECRET")
PAPER_TABLE_PREFIX: Final = "paper_"

#: Any variable that could hold a credential of the real exchange, under whatever name.
_CREDENTIAL = re.compile(r"KRAKEN.*(KEY|SECRET|PASS|OTP|TOKEN)", re.IGNORECASE)


class TradingMode(StrEnum):
    PAPER = "paper"
    LIVE = "live"

    @property
    def table_prefix(self) -> str:
        """Prefix of the tables this mode may read and write."""
        return PAPER_TABLE_PREFIX if self is TradingMode.PAPER else ""


class TradingModeError(TripleGainError):
    """The process must not start in the mode asked for."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class DecidedMode:
    """The mode of this process, for good. `warnings` tell which half of a request for live trading was missing."""

    mode: TradingMode
    warnings: tuple[str, ...] = ()


_lock = threading.Lock()
_decided: DecidedMode | None = None


def get_trading_mode(
    environ: Mapping[str, str] | None = None, config_mode: TradingMode | str | None = None
) -> TradingMode:
    """LIVE only if the environment and the configuration both say live; blanks and capitals do not matter.

    Without arguments: the mode decided at start, else what os.environ alone allows, which is PAPER.
    """
    if environ is None and config_mode is None and _decided is not None:
        return _decided.mode
    return _agreed(os.environ if environ is None else environ, config_mode).mode


def validate_live_start(environ: Mapping[str, str]) -> None:
    """What live trading needs beyond both switches. Raises TradingModeError naming everything that is missing."""
    missing = []
    if environ.get(CONFIRMATION_VARIABLE) != CONFIRMATION:
        missing.append(f"{CONFIRMATION_VARIABLE} must be exactly {CONFIRMATION}")
    missing += [f"{name} must not be empty" for name in KEY_VARIABLES if not environ.get(name, "").strip()]
    if missing:
        raise TradingModeError(
            f"SAFETY CHECK FAILED: live trading was asked for, but {'; '.join(missing)}. "
            f"Nothing was started. For paper trading unset {MODE_VARIABLE}."
        )


def decide_trading_mode(environ: Mapping[str, str], config_mode: TradingMode | str | None) -> DecidedMode:
    """Decide the mode of this process; every later call gives the first answer, whatever has changed meanwhile.

    `environ` includes the values of `.env`. Raises TradingModeError if live was asked for and is not complete.
    """
    global _decided  # noqa: PLW0603  (one process has one mode)
    with _lock:
        if _decided is None:
            decided = _agreed(environ, config_mode)
            if decided.mode is TradingMode.LIVE:
                validate_live_start(environ)
            _decided = decided
        return _decided


def enter_paper_trading(environ: MutableMapping[str, str], config_mode: TradingMode | str | None) -> DecidedMode:
    """The start of every trading process: decide, refuse anything but paper, forget the real exchange's keys.

    Credentials are removed from `environ` and from os.environ, so no child process inherits them.
    Raises TradingModeError before anything is opened or connected.
    """
    decided = decide_trading_mode(environ, config_mode)
    if decided.mode is TradingMode.LIVE:
        raise TradingModeError(
            "live trading is not built yet: this version trades on paper only. Nothing was started. "
            f"Unset {MODE_VARIABLE}, or set trading_mode: paper in execution.yaml."
        )
    drop_credentials(environ)
    drop_credentials(os.environ)
    return decided


def drop_credentials(environ: MutableMapping[str, str]) -> None:
    """Remove every variable that could hold a credential of Kraken."""
    for name in [name for name in environ if _CREDENTIAL.search(name)]:
        del environ[name]


def _agreed(environ: Mapping[str, str], config_mode: TradingMode | str | None) -> DecidedMode:
    from_environment = environ.get(MODE_VARIABLE, "").strip().casefold()
    from_config = (config_mode or "").strip().casefold()
    live = TradingMode.LIVE.value
    if from_environment == from_config == live:
        return DecidedMode(TradingMode.LIVE)
    warnings = []
    for value, place in ((from_environment, MODE_VARIABLE), (from_config, "trading_mode in execution.yaml")):
        if value not in ("", *TradingMode):
            warnings.append(f"{place} is {value!r}, which is no trading mode: paper")
    if from_environment == live:
        warnings.append(f"{MODE_VARIABLE} asks for live, trading_mode in execution.yaml does not: trading on paper")
    if from_config == live:
        warnings.append(f"trading_mode in execution.yaml asks for live, {MODE_VARIABLE} does not: trading on paper")
    return DecidedMode(TradingMode.PAPER, tuple(warnings))
