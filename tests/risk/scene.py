"""Scenes for the risk engine: what has happened, what is proposed, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.config.written_config import configured as written
from tests.risk.base_case import MARKET, MINUTE, NOON, PORTFOLIO, PROPOSAL, D

from triplegain.config import Config
from triplegain.domain.proposal import Regime
from triplegain.domain.verdict import RiskApproved
from triplegain.risk.engine import RiskEngine
from triplegain.risk.state import RiskMemory

Values = Mapping[str, Any]
Before = Callable[[RiskEngine], Any]


def nothing(engine: RiskEngine) -> None:
    """A session in which nothing has happened."""


@dataclass(frozen=True)
class Scene:
    """A moment in which something is proposed; `before` is what the engine has lived through."""

    proposal: Values = field(default_factory=dict)
    portfolio: Values = field(default_factory=dict)
    market: Values = field(default_factory=dict)
    before: Before = nothing
    now: int = NOON
    elapsed: int = 0


@dataclass(frozen=True)
class Pair:
    """`rule` decides the scene `outside` and not the one `inside`; `moved` is another value of the key.

    `around` is the rest of the configuration, where other limits would hide this one.
    """

    inside: Scene
    outside: Scene
    rule: str
    moved: Any
    around: Values = field(default_factory=dict)


def configured(around: Values, key: str = "", value: Any = None) -> Config:
    tree: dict[str, Any] = {"risk": {}, "execution": {}}
    for path, each in (*around.items(), *([(key, value)] if key else [])):
        part = tree["execution" if path.startswith("positions.") else "risk"]
        *above, name = path.split(".")
        for step in above:
            part = part.setdefault(step, {})
        part[name] = each
    return written(**tree)


def seen(scene: Scene, config: Config) -> tuple[Any, ...]:
    """The verdict without its words, and what breakers ordered on the way."""
    engine = RiskEngine(config.risk, RiskMemory.opening(D(10_000), NOON))
    ordered = scene.before(engine)
    verdict = engine.assess(
        replace(PROPOSAL, **scene.proposal),
        replace(PORTFOLIO, **scene.portfolio),
        replace(MARKET, **scene.market),
        scene.now,
        scene.elapsed,
    )
    clamps = tuple(str(clamp.rule) for clamp in verdict.clamps)
    if isinstance(verdict, RiskApproved):
        warnings = tuple(f"{warning.rule} near" for warning in verdict.warnings)
        return verdict.outcome, (*clamps, *warnings), verdict.quantity, verdict.proposal.leverage, ordered
    return verdict.outcome, (*clamps, *map(str, verdict.rules)), None, None, ordered


def lost(times: int, at: int = NOON, opened: bool = False) -> Before:
    """That many losses; `opened`: and a trade since."""

    def before(engine: RiskEngine) -> None:
        for _ in range(times):
            engine.on_closed("XRP/USDT", D(-1), at)
        if opened:
            engine.on_opened("XRP/USDT", at)

    return before


def swung(atrs: int, last: str) -> Before:
    """So many ATRs of 1, then one more."""

    def before(engine: RiskEngine) -> None:
        for _ in range(atrs):
            engine.on_atr("BTC/USDT", 1.0, NOON)
        engine.on_atr("BTC/USDT", float(last), NOON)

    return before


def moved_to(price: str, after: int = MINUTE) -> Before:
    def before(engine: RiskEngine) -> None:
        engine.on_price("BTC/USDT", D(100), D(100), NOON)
        engine.on_price("BTC/USDT", D(price), D(price), NOON + after)

    return before


def equity(*measured: tuple[int, str]) -> Before:
    """Equity over time; gives what the last measurement ordered."""

    def before(engine: RiskEngine) -> Any:
        return [engine.on_equity(D(usd), at) for at, usd in measured][-1]

    return before


def elsewhere(usd: int, symbol: str = "LTC/USDT") -> Values:
    return {"exposure": D(usd), "exposure_by_symbol": {symbol: D(usd)}}


def proposed(**values: Any) -> Scene:
    return Scene(proposal=values)


def bull(leverage: int, confidence: str = "0.95", venue: int = 10, **scene: Any) -> Scene:
    """With leverage, where a venue lends plenty."""
    portfolio = {"margin_available": D(9000), **scene.pop("portfolio", {})}
    proposal = {"leverage": leverage, "confidence": D(confidence), "regime": Regime.TRENDING_BULL}
    return Scene({**proposal, **scene.pop("proposal", {})}, portfolio, {"leverage_max": venue}, **scene)


def at(now: int, before: Before = nothing, **proposal: Any) -> Scene:
    return Scene(proposal=proposal, before=before, now=now)


def with_equity(usd: str, before: Before = nothing, now: int = NOON, **proposal: Any) -> Scene:
    return Scene(proposal=proposal, portfolio={"equity": D(usd)}, before=before, now=now)
