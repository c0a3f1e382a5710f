"""The product on a live feed for long, with faults of the exchange at random and a database that is killed again and
again: do memory, handles and lag stay where they are, and is every answer, every trade and every book right?"""

from __future__ import annotations

import itertools
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
from tests.app.database_kills import Toll, Victim, prepared, standing_still, strike
from tests.app.paper_process import RESTLESS_RISK, SOURCES, PaperHome, Running, eventually
from tests.app.soak_audit import audit_feed, audit_rows, table_sizes
from tests.app.soak_figures import Figures, Sample, Soak, SoakPlan, lag_table
from tests.app.soak_traders import WARES, SoakTrader
from tests.attack.local_market import LocalMarket, local_market

from triplegain.domain.clock import SECOND_NS
from triplegain.gateway.fault_desk import FaultSchedule
from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder

SESSION = "soak"
#: Market seconds that are past when the session begins: what it asks the history for is there.
_PAST_S = "60"
_DEPTH = 100
_LOOK_S = 0.05
_PATIENCE_S = 90.0
_HANG_S = 3.0
#: Longer than a silence after which a session connects anew.
_SETTLES_S = 8.0
_CONFIG = {
    "risk.yaml": RESTLESS_RISK,
    "execution.yaml": """
paper_trading:
  initial_balance: {USDT: 1000000, BTC: 10, XRP: 1000000}
  account_tier: unlimited
positions: {max_per_symbol: 50, max_open: 150}
""",
}


def soak(
    capture: Path, plan: SoakPlan, on_sample: Callable[[Sample], None] = lambda sample: None, folder: Path | None = None
) -> Soak:
    """Runs one. At the end the market stands still, and everything is compared with it and with the rows."""
    with tempfile.TemporaryDirectory() as made, _home(folder or Path(made)) as home:
        outcome = Soak()
        kraken_words = ("--speed", plan.speed, "--loop", "--past", _PAST_S)
        with local_market(home, capture, *kraken_words) as kraken, _product(home, kraken, plan) as running:
            figures = Figures(home.path.parent / "soaked", running)
            with _trading(home, running, plan, outcome.toll) as traders:
                outcome.sizes.append(table_sizes(home))
                _Days(home, kraken, running, figures, traders, plan, outcome).live(on_sample)
            audit_feed(kraken, figures, outcome, _DEPTH)
            running.process.terminate()
            finished = running.wait()
        if finished.code or "Traceback" in finished.stderr:
            outcome.wrong.append(f"it ended with exit code {finished.code}: {finished.stderr[-3000:]}")
        audit_rows(home, SESSION, outcome)
    return outcome


@contextmanager
def _home(folder: Path) -> Iterator[PaperHome]:
    home = prepared(folder)
    for name, text in _CONFIG.items():
        (folder / "config" / name).write_text(text)
    with EmbeddedCluster(cluster_folder(home.path)):
        yield home


@contextmanager
def _product(home: PaperHome, kraken: LocalMarket, plan: SoakPlan) -> Iterator[Running]:
    """A session on that market, with figures of itself, once it can be spoken to."""
    environ = {
        **kraken.environ,
        "PYTHONPATH": f"{SOURCES}:{SOURCES.parent}",
        "SOAKED_FILE": str(home.path.parent / "soaked"),
        "SOAKED_EVERY_S": f"{plan.sample_every_s:g}",
        "SOAKED_DEPTH": str(_DEPTH),
    }
    words = ("paper", "--feed", "live", "--session", SESSION, "--candle", "1s", "--llm", "none", "--json")
    running = home.start(*words, module="tests.app.soaked", environ=environ)
    try:
        note = home.path / "running" / f"{SESSION}.json"
        eventually(lambda: note.exists() or running.is_over, "the session")
        assert not running.is_over, running.wait()
        yield running
    finally:
        if not running.is_over:
            running.kill()


@contextmanager
def _trading(home: PaperHome, running: Running, plan: SoakPlan, toll: Toll) -> Iterator[list[SoakTrader]]:
    """A customer for each market, from when all have prices."""
    place = json.loads((home.path / "running" / f"{SESSION}.json").read_text())
    headers = {"Authorization": f"Bearer {(home.path / 'admin.key').read_text().strip()}"}
    url = f"http://{place['host']}:{place['port']}/api/v1"
    chance = random.Random(plan.seed)
    with httpx.Client(base_url=url, headers=headers, timeout=90, trust_env=False) as client:

        def has_prices() -> bool:
            assert not running.is_over, running.wait()
            return all(client.get("/paper/portfolio").json()["prices"].get(each.symbol) for each in WARES)

        eventually(has_prices, "prices")
        traders = [
            SoakTrader(client, number, random.Random(chance.random()), toll, plan.pace_s)
            for number in range(len(WARES))
        ]
        for trader in traders:
            trader.start()
        try:
            yield traders
        finally:
            for trader in traders:
                trader.over.set()
            for trader in traders:
                trader.join(_PATIENCE_S)


class _Days:
    """What happens while it runs: samples, faults of the exchange, blows to the database."""

    def __init__(
        self,
        home: PaperHome,
        kraken: LocalMarket,
        running: Running,
        figures: Figures,
        traders: list[SoakTrader],
        plan: SoakPlan,
        outcome: Soak,
    ) -> None:
        self._home = home
        self._kraken = kraken
        self._running = running
        self._figures = figures
        self._traders = traders
        self._plan = plan
        self._outcome = outcome
        self._chance = random.Random(plan.seed)
        self._last: dict[str, Any] = {}
        self._first_market_ns = 0
        #: The blow after which nobody has placed an order yet, and when it was, monotonic.
        self._struck: tuple[Victim, float] | None = None

    def live(self, on_sample: Callable[[Sample], None]) -> None:
        plan, began_s = self._plan, time.monotonic()
        schedule = iter(FaultSchedule(plan.seed, [each.symbol for each in WARES], plan.faults_every_s or 1.0))
        never = itertools.repeat(float("inf"))
        fault_wait_s, fault = next(schedule)
        fault_at_s = began_s + fault_wait_s if plan.faults_every_s else next(never)
        blow_at_s = began_s + plan.kills_every_s / 2 if plan.kills_every_s else next(never)
        while time.monotonic() < began_s + plan.duration_s and not self._running.is_over:
            time.sleep(_LOOK_S)
            now_s = time.monotonic()
            if now_s >= fault_at_s:
                # The local Kraken may be too busy to take it in time.
                with suppress(httpx.TimeoutException):
                    self._kraken.fault(**asdict(fault))
                    self._outcome.faults[fault.kind] += 1
                fault_wait_s, fault = next(schedule)
                fault_at_s = now_s + fault_wait_s
            if now_s >= blow_at_s:
                self._blow()
                blow_at_s += plan.kills_every_s / 2
            self._note_the_first_order()
            for dead in [trader for trader in self._traders if not trader.is_alive()]:
                self._traders.remove(dead)
                self._outcome.wrong.append(f"{dead.name} has died")
            self._sample(on_sample)
        self._kraken.mend()
        # What a fault swallowed last shows by the trades that follow it.
        time.sleep(_SETTLES_S)
        self._outcome.wall_s = time.monotonic() - began_s

    def _blow(self) -> None:
        """A kill and a time in which the database hangs, in turns."""
        self._outcome.blows.append(time.time())
        if len(self._outcome.blows) % 2:
            victim = self._chance.choice(list(Victim))
            self._struck = victim, time.monotonic()
            strike(self._home, victim, self._chance)
        else:
            self._outcome.hangs += 1
            with standing_still(self._home):
                time.sleep(_HANG_S)

    def _note_the_first_order(self) -> None:
        if self._struck is None:
            return
        victim, since_s = self._struck
        if any(trader.placed_at_s > since_s for trader in self._traders):
            self._outcome.toll.seconds.setdefault(victim, []).append(time.monotonic() - since_s)
            self._struck = None
        elif time.monotonic() > since_s + _PATIENCE_S:
            self._outcome.wrong.append(f"no order within {_PATIENCE_S:g} s of a blow to the {victim}")
            self._struck = None

    def _sample(self, on_sample: Callable[[Sample], None]) -> None:
        for now in self._figures.new():
            self._first_market_ns = self._first_market_ns or now["market_ns"]
            self._outcome.market_s = (now["market_ns"] - self._first_market_ns) / SECOND_NS
            lags, loop_lags = lag_table(now["lags"]), lag_table(now["loop_lags"])
            self._outcome.lags.merge(lags)
            self._outcome.loop_lags.merge(loop_lags)
            self._outcome.fill_lags.merge(lag_table(now["fill_lags"]))
            sample = Sample(
                at_s=now["at_s"],
                rss_mb=now["rss_mb"],
                handles=now["handles"],
                tasks=now["tasks"],
                threads=now["threads"],
                queue_longest=now["queue_longest"],
                loop_p99=loop_lags.share(0.99) * 1e3,
                loop_max=loop_lags.most_ns / 1e6,
                lag_p50=lags.share(0.5) * 1e3,
                lag_p99=lags.share(0.99) * 1e3,
                lag_max=lags.most_ns / 1e6,
                market_s=self._outcome.market_s,
                fills=now["fills"] - self._last.get("fills", 0),
                cpu_s=now["cpu_s"] - self._last.get("cpu_s", 0.0),
                **{name: self._since(now, name) for name in ("frames", "reconnects", "dropped")},
            )
            self._last = now
            self._outcome.samples.append(sample)
            on_sample(sample)

    def _since(self, now: dict[str, Any], name: str) -> int:
        return int(now["counters"][name] - self._last.get("counters", {}).get(name, 0))
