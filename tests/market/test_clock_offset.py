"""The offset between the exchange's clock and ours: that of the message of the last minute that travelled fastest."""

from __future__ import annotations

from triplegain.domain.clock import MILLISECOND_NS, SECOND_NS
from triplegain.market.clock_offset import ClockOffset


def _learnt(*messages: tuple[float, int]) -> ClockOffset:
    """Seconds of receipt and milliseconds travelled, on clocks that agree but for 1.27 s."""
    offset = ClockOffset()
    for received_s, travelled_ms in messages:
        received_ns = round(received_s * SECOND_NS)
        offset.learn(received_ns - travelled_ms * MILLISECOND_NS - 1_270 * MILLISECOND_NS, received_ns)
    return offset


def _ms(offset: ClockOffset) -> float:
    return offset.value / MILLISECOND_NS


def test_before_any_message_it_is_what_it_begins_with() -> None:
    assert ClockOffset(7).value == 7


def test_the_message_that_travelled_fastest_says_it() -> None:
    assert _ms(_learnt((1, 40), (1.2, 10), (1.4, 90), (30, 20))) == -1_280


def test_after_a_minute_it_is_forgotten() -> None:
    # 10 ms at second 1, 20 at 30, 50 at 61: the first is more than a minute old then.
    offset = _learnt((1, 10), (30, 20), (60, 60))
    assert _ms(offset) == -1_280
    offset.learn(61 * SECOND_NS - (50 + 1_270) * MILLISECOND_NS, 61 * SECOND_NS)
    assert _ms(offset) == -1_290


def test_it_stays_known_through_a_long_silence() -> None:
    assert _ms(_learnt((1, 10), (500, 80))) == -1_350


def test_it_is_no_more_than_a_minute_of_buckets_and_goes_on_from_them() -> None:
    offset = _learnt(*((second, second) for second in range(200)))
    assert len(offset.buckets) <= 60
    again = ClockOffset(0, offset.buckets)
    for each in (offset, again):
        each.learn(201 * SECOND_NS - 1_500 * MILLISECOND_NS, 201 * SECOND_NS)
    assert again.value == offset.value
    assert again.buckets == offset.buckets


def test_a_receipt_before_the_last_one_counts_as_of_then() -> None:
    assert _ms(_learnt((10, 50), (9, 5))) == -1_275
