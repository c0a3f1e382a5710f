from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from triplegain.venues.kraken.feed_line import DownLine, FeedLine, FrameLine, LineQueue, OverrunLine, TickLine


def _book(symbol: str, number: int) -> FrameLine:
    return FrameLine(number, 0, b'{"channel":"book","type":"update","data":[{"symbol":"%b"}]}' % symbol.encode())


def _trade(number: int) -> FrameLine:
    return FrameLine(number, 0, b'{"channel":"trade","type":"update","data":[{"symbol":"A/B"}]}')


def _is_book(line: FeedLine) -> bool:
    return isinstance(line, FrameLine) and b'"book"' in line.frame


async def test_lines_come_out_as_they_went_in() -> None:
    queue = LineQueue(10)
    lines: list[FeedLine] = [_book("A/B", 1), _trade(2), TickLine(3), DownLine(4, 0, "x")]
    for line in lines:
        await queue.put(line)
    assert await queue.take(3, 1) == lines[:3] and await queue.take(3, 1) == lines[3:]
    assert await queue.take(3, 0.001) == []


async def test_a_full_queue_gives_up_the_busiest_books_and_says_how_many() -> None:
    queue = LineQueue(10)
    lines: list[FeedLine] = [
        *[_book("A/B", n) for n in (1, 2)],
        _trade(3),
        *[_book("A/B", n) for n in (4, 5, 6)],
        _book("C/D", 7),
        _trade(8),
        _book("C/D", 9),
        DownLine(10, 0, "x"),
    ]
    for line in lines:
        await queue.put(line)
    await queue.put(_trade(11))
    assert await queue.take(99, 1) == [
        OverrunLine(1, "A/B", 5),
        *lines[2:3],
        *lines[6:],
        _trade(11),
    ]


async def test_books_of_every_instrument_go_where_one_is_not_enough() -> None:
    queue = LineQueue(8)
    for number in range(8):
        await queue.put(_book("AB"[number % 2] + "/USD", number))
    assert queue.offer(_trade(8))
    assert await queue.take(99, 1) == [
        OverrunLine(0, "A/USD", 4),
        *[_book("B/USD", number) for number in (1, 3, 5, 7)],
        _trade(8),
    ]


async def test_a_reader_that_stays_away_loses_books_again_and_again_and_no_more_than_books() -> None:
    queue = LineQueue(8)
    for number in range(100):
        assert queue.offer(_book("A/B", number))
    (first, *rest) = await queue.take(99, 1)
    assert isinstance(first, OverrunLine)
    dropped = [line.dropped for line in (first, *rest) if isinstance(line, OverrunLine)]
    assert sum(dropped) + sum(map(_is_book, rest)) == 100


async def test_a_queue_full_of_trades_makes_the_writer_wait() -> None:
    queue = LineQueue(3)
    for number in range(3):
        await queue.put(_trade(number))
    writing = asyncio.create_task(queue.put(_trade(3)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not writing.done() and len(queue) == 3
    assert await queue.take(1, 1) == [_trade(0)]
    await writing
    assert await queue.take(9, 1) == [_trade(1), _trade(2), _trade(3)]


async def test_a_waiting_reader_gets_a_line_at_once() -> None:
    queue = LineQueue(3)
    reading = asyncio.create_task(queue.take(9, 10))
    await asyncio.sleep(0)
    await queue.put(_trade(1))
    assert await reading == [_trade(1)]


@given(st.lists(st.sampled_from("abtx"), max_size=60), st.integers(2, 9), st.integers(1, 5))
def test_whatever_comes_nothing_but_books_is_lost_and_nothing_changes_places(
    kinds: list[str], most: int, every: int
) -> None:
    async def run() -> None:
        queue = LineQueue(most)
        put: list[FeedLine] = []
        taken: list[FeedLine] = []
        for number, kind in enumerate(kinds):
            line = _trade(number) if kind == "t" else TickLine(number) if kind == "x" else _book(f"{kind}/B", number)
            while not queue.offer(line):
                taken += await queue.take(1, 1)
            put.append(line)
            if number % every == 0:
                taken += await queue.take(1, 1)
            assert len(queue) <= most
        while len(queue):
            taken += await queue.take(3, 1)
        times = [line.received_at_ns for line in taken]
        assert times == sorted(times)
        assert [line for line in taken if not (isinstance(line, OverrunLine) or _is_book(line))] == [
            line for line in put if not _is_book(line)
        ]
        dropped = sum(line.dropped for line in taken if isinstance(line, OverrunLine))
        assert sum(map(_is_book, taken)) + dropped == sum(map(_is_book, put))

    asyncio.run(run())
