"""Who left when a level shrank without a trade? Three answers, with the numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from triplegain.exchange.queue import BackOfQueue, Leavers, PowerLaw, Proportional, QueueEstimator
from triplegain.exchange.settings import AccountTier, ExchangeSettings, QueueModel

BACK, PROPORTIONAL, SQUARES = BackOfQueue(), Proportional(), PowerLaw(2)
SETTINGS = ExchangeSettings(
    place_delay_ns=0, cancel_delay_ns=0, response_delay_ns=0, account_tier=AccountTier.UNLIMITED
)


@pytest.mark.parametrize(
    ("model", "ahead", "before", "cancelled", "after", "left"),
    [
        # 10 in front and 10 behind, 4 leave
        (BACK, 10, 20, 4, 16, 10),  # all four from behind
        (PROPORTIONAL, 10, 20, 4, 16, 8),  # 4 x 10/20 = 2 from the front
        # 10 in front and 10 behind, 14 leave: whatever the model, no more than the level shows is in front
        (BACK, 10, 20, 14, 6, 6),
        (PROPORTIONAL, 10, 20, 14, 6, 3),  # 14 x 10/20 = 7
        # nobody behind: those in front left
        (BACK, 10, 10, 4, 6, 6),
        (PROPORTIONAL, 10, 10, 4, 6, 6),
        (SQUARES, 10, 10, 4, 6, 6),  # weight 10^2 against 0
        # fractions stay in front: 1 x 3/7 = 0.43, nobody
        (PROPORTIONAL, 3, 7, 1, 6, 3),
        # at the front, or a level that grew: nothing changes
        (PROPORTIONAL, 0, 20, 4, 16, 0),
        (SQUARES, 0, 20, 4, 16, 0),
        (PROPORTIONAL, 10, 20, -5, 25, 10),
        (SQUARES, 10, 20, -5, 25, 10),
    ],
)
def test_what_is_left_in_front(model: Leavers, ahead: int, before: int, cancelled: int, after: int, left: int) -> None:
    assert QueueEstimator(model, seed=1).ahead_after(ahead, before, cancelled, after) == left


def test_the_probabilistic_model_draws_by_the_squares_of_both_parts() -> None:
    # 10 in front, 20 behind: a cancel comes from the front with 100 / (100 + 400) = 20 %
    estimator = QueueEstimator(SQUARES, seed=1)
    moved = sum(estimator.ahead_after(10, 30, 4, 26) == 6 for _ in range(2000))
    assert 340 < moved < 460  # 400, give or take 3 standard deviations of 18
    again = QueueEstimator(SQUARES, seed=1)
    again.draws = 1000
    assert [again.ahead_after(10, 30, 4, 26) for _ in range(50)] == _from_draw(1000, 50)


@pytest.mark.parametrize(
    ("power", "ahead", "behind", "share"),
    [
        (1, 10, 20, 1 / 3),  # as much as the share in front: on average what `proportional` says
        (2, 10, 20, 1 / 5),  # 100 of 100 + 400
        (3, 10, 20, 1 / 9),  # 1,000 of 1,000 + 8,000
        (10, 30, 10, 1),  # 59,049 of 59,050
        # Odds by powers that no 64 bits hold: 60 and 80 coins of 1e8 lots.
        (2, 60 * 10**8, 80 * 10**8, 9 / 25),
        (1, 60 * 10**8, 80 * 10**8, 3 / 7),
    ],
)
def test_the_power_says_how_far_the_longer_part_decides(power: int, ahead: int, behind: int, share: float) -> None:
    estimator, there = QueueEstimator(PowerLaw(power), seed=9), ahead + behind
    moved = sum(estimator.ahead_after(ahead, there, 4, there - 4) < ahead for _ in range(2000))
    assert abs(moved / 2000 - share) < 0.033  # three standard deviations at most: 3 x sqrt(0.25 / 2000)


def _from_draw(skipped: int, count: int) -> list[int]:
    estimator = QueueEstimator(SQUARES, seed=1)
    return [estimator.ahead_after(10, 30, 4, 26) for _ in range(skipped + count)][skipped:]


@pytest.mark.parametrize(
    ("model", "sold", "fills"),
    [
        # 5.0 in front at arrival, 5.0 come behind; 4.0 leave
        (QueueModel.BACK_OF_QUEUE, "5.5", ["0.5 @ 100 maker"]),
        (QueueModel.PROPORTIONAL, "5.5", ["1 @ 100 maker"]),  # 3.0 in front, 2.5 would be ours
        (QueueModel.PROPORTIONAL, "3.0", []),
    ],
)
def test_the_model_decides_when_a_resting_order_fills(
    bench: Callable[..., Any], model: QueueModel, sold: str, fills: list[str]
) -> None:
    b = bench(settings=replace(SETTINGS, queue_model=model))
    b.book(bids="100.0x5", asks="100.1x1", snapshot=True)
    b.order("bid", "buy", "1", "100.0")
    b.book(bids="100.0x10")
    b.book(bids="100.0x6")
    b.trade("sell", sold, "100.0")
    assert b.fills() == fills


@pytest.mark.parametrize("model", list(QueueModel))
def test_a_trade_and_its_level_change_move_every_model_once(bench: Callable[..., Any], model: QueueModel) -> None:
    b = bench(settings=replace(SETTINGS, queue_model=model))
    b.book(bids="100.0x5", asks="100.1x1", snapshot=True)
    b.order("bid", "buy", "1", "100.0")
    b.book(bids="100.0x10")
    b.trade("sell", "3", "100.0", at=50)
    b.book(bids="100.0x7", at=50)  # the same three: nobody cancelled, 2.0 are in front
    b.trade("sell", "2", "100.0", at=60)
    assert b.fills() == []


def test_a_late_print_counts_once_though_the_level_was_resent(usual: Any) -> None:
    usual.order("bid", "buy", "1", "100.0")  # 5.0 in front
    usual.book(bids="100.0x2", at=50)
    usual.book(bids="100.0x2", at=50)
    usual.trade("sell", "3.0", "100.0", at=50)  # what the level change has shown already
    assert usual.fills() == []
    usual.trade("sell", "2.4", "100.0", at=60)  # 2.0 in front
    assert usual.fills() == ["0.4 @ 100 maker"]


def test_two_late_prints_count_once_each(usual: Any) -> None:
    usual.order("bid", "buy", "1", "100.0")
    usual.book(bids="100.0x3", at=50)
    usual.book(bids="100.0x2", at=51)
    usual.trade("sell", "2.0", "100.0", at=51)
    usual.trade("sell", "1.0", "100.0", at=51)
    usual.trade("sell", "1.0", "100.0", at=60)  # one of the two in front
    assert usual.fills() == []
    usual.trade("sell", "1.3", "100.0", at=61)
    assert usual.fills() == ["0.3 @ 100 maker"]


def test_cancels_before_a_late_print_are_believed_once_the_tape_is_past_them(usual: Any) -> None:
    usual.order("bid", "buy", "1", "100.0")
    usual.book(bids="100.0x2", at=50)  # nobody traded: three cancelled
    usual.trade("buy", "0.1", "100.1", at=55)  # the tape is past that moment
    usual.book(bids="100.0x1", at=60)
    usual.trade("sell", "1.0", "100.0", at=60)  # the print of the last change; 1.0 is in front
    usual.trade("sell", "1.2", "100.0", at=70)
    assert usual.fills() == ["0.2 @ 100 maker"]


def test_a_snapshot_of_less_reach_remembers_what_was_taken_out_of_its_sight(usual: Any) -> None:
    usual.order("buy", "buy", "3", None)  # 1.0 @ 100.1 and 2.0 @ 100.2
    usual.book(bids="100.0x5", asks="100.1x1", snapshot=True)
    usual.book(asks="100.1x0 100.2x10")
    usual.order("again", "buy", "10")
    assert usual.fills("again") == ["8 @ 100.2 taker"]
