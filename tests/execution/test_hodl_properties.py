"""Whatever profits, fills, refusals, silences and restarts come: the bag keeps what it may, once, and it adds up."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.execution.hodl_scene import Scene

from triplegain.domain.clock import DAY_NS
from triplegain.domain.orders import Side
from triplegain.execution.hodl.settings import HodlSettings

_ZERO = Decimal(0)

profits = st.one_of(
    st.decimals(min_value=-300, max_value=900, places=2), st.decimals(min_value=900, max_value=30000, places=2)
).map(str)
answers = st.tuples(
    st.sampled_from(["answer", "answer", "fill", "fill", "reject", "finish"]), st.sampled_from(["7", "100", "100"])
)
steps = st.one_of(
    answers,
    answers,
    st.tuples(st.just("serve"), st.sampled_from(["30", "100"])),
    st.tuples(st.just("close"), profits),
    st.tuples(st.just("small"), st.decimals(min_value=-3, max_value=3, places=8).map(str)),
    st.tuples(st.just("unpriced"), profits),
    st.tuples(st.just("wait"), st.sampled_from(["1", "30", "100"])),
    st.tuples(st.just("midnight"), st.just("")),
    st.tuples(st.just("price"), st.sampled_from(["none", "80", "100", "130"])),
    st.tuples(st.just("money"), st.sampled_from(["0", "10", "100000"])),
)


class Bystander:
    """Writes down the highest the closed positions can have summed up to: prices here are 80 to 130."""

    def __init__(self) -> None:
        self.realised = self.best = _ZERO

    def see(self, step: tuple[str, str]) -> None:
        kind, word = step
        if kind in ("close", "small"):
            self.realised += Decimal(word)
        elif kind == "unpriced":
            self.realised += Decimal(word) / 1000 * (130 if Decimal(word) > 0 else 80)
        self.best = max(self.best, self.realised)


def unfinished(scene: Scene) -> list[str]:
    """Names of the orders that were sent and are not over."""
    names = dict.fromkeys(request.client_order_id for request in scene.placed)
    over = [r.client_order_id for r in scene.records if r.kind in ("bought", "failed")]
    return [name for name in names if name not in over]


def do(scene: Scene, step: tuple[str, str]) -> None:
    kind, word = step
    open_names = unfinished(scene)
    known = [name for name in open_names if scene.blotter.known_orders.by_client_id(name) is not None]
    silent = [name for name in open_names if name not in known]
    match kind:
        case "close" | "small":
            scene.close(word)
        case "unpriced":
            scene.close(str(Decimal(word) / 1000), symbol="XRP/BTC", usd=None)
        case "wait":
            scene.wait(int(word))
        case "midnight":
            scene.sleep_until_midnight()
        case "price":
            scene.prices["BTC/USDT"] = None if word == "none" else Decimal(word)
        case "money":
            scene.free_usdt = Decimal(word)
        case "serve":
            for name in open_names:
                if name in silent:
                    scene.accept(name)
                scene.fill_part(name, int(word))
        case "answer" if silent:
            scene.accept(silent[0])
        case "reject" if silent:
            scene.reject(silent[0])
        case "fill" if known:
            scene.fill_part(known[0], int(word))
        case "finish" if known:
            scene.finish(known[0])
        case _:
            pass


def check(scene: Scene, best: Decimal) -> None:
    limits = HodlSettings()
    kept = sum((record.usd or _ZERO for record in scene.kinds("allocated")), _ZERO)
    assert scene.adds_up()
    # Every dollar set aside is still there or was paid for coins; there is no third way.
    assert kept == scene.aside + sum((scene.balances[asset].cost for asset in ("XRP", "BTC")), _ZERO)
    # A tenth of the best the session ever stood at, whatever happened on the way.
    assert kept + scene.due <= best / 10
    assert all(request.side is Side.BUY for request in scene.placed)
    requests = {request.client_order_id: request for request in scene.placed}
    assert set(requests.values()) == set(scene.placed)  # one name, one order
    waiting = [requests[name].symbol for name in unfinished(scene)]
    assert len(waiting) == len(set(waiting))  # one order at a time per asset
    by_profit: dict[str, Decimal] = {}
    for record in scene.kinds("allocated"):
        by_profit[record.position_id] = by_profit.get(record.position_id, _ZERO) + (record.usd or _ZERO)
    assert all(amount <= limits.allocation_max for amount in by_profit.values())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=20, max_size=80), st.booleans())
def test_the_bag_adds_up_and_keeps_within_its_limits_after_every_step(
    script: list[tuple[str, str]], restarts: bool
) -> None:
    scene, bystander = Scene(restarts=restarts), Bystander()
    for step in script:
        bystander.see(step)
        do(scene, step)
        check(scene, bystander.best)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.decimals(min_value=-500, max_value=500, places=2), max_size=40), st.booleans())
def test_an_account_that_never_was_in_profit_keeps_nothing(results: list[Decimal], restarts: bool) -> None:
    scene, total = Scene(restarts=restarts), _ZERO
    for result in results:
        result = min(result, -total)  # never above the start
        total += result
        scene.close(str(result))
    assert (scene.aside, scene.records, scene.placed) == (_ZERO, [], [])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=10, max_size=40))
def test_a_bag_restarted_after_every_step_does_the_same_as_one_that_never_stopped(
    script: list[tuple[str, str]],
) -> None:
    whole, broken = Scene(restarts=False), Scene(restarts=True)
    for step in script:
        do(whole, step)
        do(broken, step)
    assert (whole.records, whole.placed, whole.alerts) == (broken.records, broken.placed, broken.alerts)
    assert whole.bag.state == broken.bag.state


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.decimals(min_value=-2000, max_value=30000, places=2), st.just("a day")), max_size=60))
def test_no_day_gives_more_than_its_limit(script: list[Decimal | str]) -> None:
    scene = Scene()
    scene.free_usdt = Decimal(10**9)
    for step in script:
        if isinstance(step, str):
            scene.sleep_until_midnight()
        else:
            scene.close(str(step))
    by_day: dict[int, Decimal] = {}
    for record in scene.kinds("allocated"):
        day = record.time_ns // DAY_NS
        by_day[day] = by_day.get(day, _ZERO) + (record.usd or _ZERO)
    assert all(amount <= HodlSettings().day_max for amount in by_day.values())
