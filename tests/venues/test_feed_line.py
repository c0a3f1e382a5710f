from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triplegain.domain.errors import InvalidValueError
from triplegain.venues.kraken.feed_line import (
    DownLine,
    FeedLine,
    FrameLine,
    OverrunLine,
    ReplyLine,
    TickLine,
    read_line,
    write_line,
)

HEARTBEAT = b'{"channel":"heartbeat"}'

_times = st.integers(0, 2**63 - 1)
_counts = st.integers(0, 1000)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_texts = st.binary() | _json.map(lambda value: json.dumps(value).encode()) | _json.map(msgspec.json.encode)
_lines = st.one_of(
    st.builds(FrameLine, _times, _counts, _texts),
    st.builds(ReplyLine, _times, st.text(), _texts),
    st.builds(TickLine, _times),
    st.builds(DownLine, _times, _counts, st.text()),
    st.builds(OverrunLine, _times, st.text(), _counts),
)


@given(_lines)
def test_every_line_comes_back_as_it_was(line: FeedLine) -> None:
    text = write_line(line)
    assert text.endswith(b"\n") and text.count(b"\n") == 1 and len(text.decode().splitlines()) >= 1
    json.loads(text)
    assert read_line(text) == line


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"null",
        b"{",
        b" {}",
        b"{}\n",
        b'{"a":\n1}',
        b'{"a":\r1}',
        b'{"a":NaN}',
        b'{"a":"\xff"}',
        b"{} , {}",
        b'{},"tick":true}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"<html>502 Bad Gateway</html>",
        bytes(range(256)),
    ],
)
def test_what_is_no_object_on_one_line_is_kept_as_base64(frame: bytes) -> None:
    for line in (FrameLine(1, 2, frame), ReplyLine(1, "/0/public/Time", frame)):
        assert b'"garbage"' in write_line(line)
        assert read_line(write_line(line)) == line


def test_a_frame_stands_in_its_line_byte_for_byte() -> None:
    frame = '{ "channel" : "book","price":1.10,  "ä":"\\u0041"}'.encode()
    assert write_line(FrameLine(7, 3, frame)) == b'{"rx_ns":7,"conn":3,"frame":' + frame + b"}\n"


@pytest.mark.parametrize("text", [b'{"rx_ns":1}', b'{"rx_ns":1,"conn":2}', b'{"rx_ns":1,"path":"/0/public/Time"}'])
def test_a_line_of_no_kind_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidValueError, match="none of frame"):
        read_line(text)


def test_half_a_line_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        read_line(write_line(FrameLine(1, 0, HEARTBEAT))[:-3])
