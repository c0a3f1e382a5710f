from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from triplegain.venues.kraken.stream_clock import StreamClock

SECOND = 10**9
T = 1_700_000_000 * SECOND


def _clock() -> StreamClock:
    """The exchange is 5 s ahead of us; its first message was 1 s old."""
    clock = StreamClock()
    assert clock.at(T + 4 * SECOND, T) == T + 4 * SECOND
    return clock


def test_a_message_has_the_exchanges_time_and_a_heartbeat_the_local_one_moved_to_it() -> None:
    clock = _clock()
    assert clock.now(T + SECOND) == T + 5 * SECOND
    # A faster message moves the offset to 5 s.
    assert clock.at(T + 7 * SECOND, T + 2 * SECOND) == T + 7 * SECOND
    assert clock.now(T + 3 * SECOND) == T + 8 * SECOND


def test_time_never_runs_backwards() -> None:
    clock = _clock()
    assert clock.at(T, T + SECOND) == T + 4 * SECOND
    assert clock.now(T - SECOND) == T + 4 * SECOND


def test_before_the_exchange_has_spoken_there_is_no_time() -> None:
    clock = StreamClock()
    assert not clock.is_known and clock.now(T) == 0
    clock.set(T + 9 * SECOND, T)
    assert clock.is_known and clock.now(T + SECOND) == T + 10 * SECOND
    clock.set(T + 99 * SECOND, T + SECOND)
    assert clock.now(T + 2 * SECOND) == T + 11 * SECOND


def test_one_message_from_the_far_future_is_told_when_it_came() -> None:
    clock = _clock()
    absurd = T + 10**6 * SECOND
    assert clock.at(absurd, T + SECOND) == T + 5 * SECOND
    # The same one doubled is no confirmation.
    assert clock.at(absurd, T + SECOND) == T + 5 * SECOND
    assert clock.at(T + 6 * SECOND, T + 2 * SECOND) == T + 6 * SECOND
    assert clock.at(absurd, T + 3 * SECOND) == T + 7 * SECOND
    assert clock.counters.leaps == 3


def test_a_clock_that_was_asleep_follows_the_second_message() -> None:
    clock = _clock()
    hour = 3600 * SECOND
    assert clock.at(T + hour, T + SECOND) == T + 5 * SECOND
    assert clock.at(T + hour + 2 * SECOND, T + 2 * SECOND) == T + hour + 2 * SECOND
    assert clock.now(T + 3 * SECOND) == T + hour + 3 * SECOND


def test_of_two_far_messages_the_earlier_is_believed_and_the_later_not() -> None:
    clock = _clock()
    hour = 3600 * SECOND
    assert clock.at(T + hour, T + SECOND) == T + 5 * SECOND
    assert clock.at(T + 900 * hour, T + 2 * SECOND) == T + hour + SECOND
    assert clock.at(T + hour + 3 * SECOND, T + 3 * SECOND) == T + hour + 3 * SECOND


def test_a_market_at_ten_times_its_speed_may_pause() -> None:
    clock = StreamClock()
    for second in range(5):
        assert clock.at(T + 10 * second * SECOND, T + second * SECOND) == T + 10 * second * SECOND
    # Ten minutes of market without a message are one minute of ours.
    assert clock.at(T + 640 * SECOND, T + 64 * SECOND) == T + 640 * SECOND
    assert clock.counters.leaps == 0


@given(st.lists(st.tuples(st.integers(-(10**5), 10**5), st.integers(0, 3), st.booleans()), min_size=1))
def test_no_mix_of_messages_turns_time_back(steps: list[tuple[int, int, bool]]) -> None:
    clock, received, before = StreamClock(), T, 0
    for offset, waited, timed in steps:
        received += waited * SECOND
        now = clock.at(received + offset * SECOND, received) if timed else clock.now(received)
        assert now >= before
        before = now
