"""Files that were made to hurt: refused by file and line, in words a terminal may show, without filling the memory."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from triplegain.feeds.captures import rows
from triplegain.feeds.captures.replay import list_captures, verify_capture
from triplegain.feeds.recording import recorded_file
from triplegain.feeds.recording.recorded_file import FileReader
from triplegain.market.feed import CaptureError

DIGITS = "7" * 5_000
ESCAPE = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m"
FRAME = '{"rx_ns":1700000000000000000,"frame":{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USDT",'
#: A file's name and its text, @ standing where something hostile does.
FORMATS = {
    "clock of a frame": ("book.jsonl", '{"rx_ns":@,"frame":{"channel":"heartbeat"}}\n'),
    "price of a frame": ("book.jsonl", FRAME + '"checksum":1,"bids":[{"price":@,"qty":1}],"asks":[]}]}}\n'),
    "checksum of a frame": ("book.jsonl", FRAME + '"checksum":@,"bids":[],"asks":[]}]}}\n'),
    "document": ("BTC_USDT.json", '{"init":{"channel":"book","type":"snapshot","data":[@]},"updates":[]}'),
    "clock of Binance": ("binance.txt", '@ {"stream":"btcusdt@depth","data":{}}\n'),
    "pair of Binance": ("binance.txt", '1700000000000000000 {"stream":"@@depth","data":{"E":1}}\n'),
    "id of Binance": ("binance.txt", '1700000000000000000 {"lastUpdateId":@,"bids":[],"asks":[]}\n'),
    "level of Binance": ("binance.txt", '1700000000000000000 {"lastUpdateId":1,"bids":[["@","1"]],"asks":[]}\n'),
    "time of a trade": ("BTC_USDT-trades.json", '[[@,"1",null,"buy",1.0,1.0,1.0]]'),
    "id of a trade": ("BTC_USDT-trades.json", '[[1700000000000,"@",null,"buy",1.0,1.0,1.0]]'),
    "side of a trade": ("BTC_USDT-trades.json", '[[1700000000000,"1","buy","@",1.0,1.0,1.0]]'),
    "price of a trade": ("BTC_USDT-trades.json", '[[1700000000000,"1",null,"buy",@,1.0,1.0]]'),
    "amount of a trade": ("BTC_USDT-trades.json", '[[1700000000000,"1",null,"buy",1.0,@,1.0]]'),
    "time of a candle": ("BTC_USDT-1m.json", "[[@,1,1,1,1,1]]"),
    "volume of a candle": ("BTC_USDT-1m.json", "[[1700000040000,1,1,1,1,@],[1700000100000,1,1,1,1,1]]"),
    "cell of a table": ("BTC_USDT.csv", "date,open,high,low,close,volume\n2024-01-01 00:00:00,1,1,1,1,@\n" * 2),
    "time of a table": ("BTC_USDT.csv", "date,open,high,low,close,volume\n@,1,1,1,1,1\n"),
    "trades of a table": ("BTC_USDT.csv", "date,open,high,low,close,volume,trades\n1700000040,1,1,1,1,1,@\n" * 2),
    "archive of candles": ("XBTUSDT_1.csv", "1700000040,1.0,1.0,1.0,1.0,1.0,1\n1700000100,1,1,1,1,1,@\n"),
    "archive of trades": ("XBTUSDT.csv", "1700000040,1.0,1.0\n1700000100,@,1\n"),
}
HOSTILE = {"digits": DIGITS, "words": ESCAPE, "depth": "[" * 100_000, "exponent": "1e999999999", "negative": "-1"}


def written(folder: Path, form: str, what: str) -> Path:
    name, text = FORMATS[form]
    path = folder / name
    path.write_text(text.replace("@@", HOSTILE[what] + "@", 1) if "@@" in text else text.replace("@", HOSTILE[what]))
    return path


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("form", FORMATS)
def test_a_hostile_value_is_refused_in_words_or_is_none_of_ours(tmp_path: Path, form: str, what: str) -> None:
    path = written(tmp_path, form, what)
    told = ""
    try:
        verify_capture(path)
    except CaptureError as error:
        told = f"{error}{error.problem}"
        assert str(path) in told
    told += "".join(f"{found.problem}{found.symbol}{found.note}" for found in list_captures(path))
    assert told.isprintable() and len(told) < 3_000


def blanks(megabytes: int) -> Iterator[bytes]:
    return (b" " * 1_000_000 for _ in range(megabytes))


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("book.jsonl.gz", b'{"rx_ns":1,"frame":'),
        ("binance.gz", b'1700000000000000000 {"stream":"btcusdt@kline","data":{}}\n1700000000000000000 '),
        ("BTC_USDT-1m.json.gz", b"[[1700000040000,1,1,1,1,1],[1700000100000,"),
        ("BTC_USDT-trades.json.gz", b'[[1700000000000,"1",null,"buy",1.0,1.0,1.0],['),
    ],
)
def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, name: str, start: bytes) -> None:
    path = tmp_path / name
    with gzip.open(path, "wb") as file:
        file.write(start)
        for piece in blanks(80):
            file.write(piece)
    assert path.stat().st_size < 200_000
    tracemalloc.start()
    try:
        with pytest.raises(CaptureError, match=r"more than [0-9,]+ bytes|cut off or damaged") as refused:
            verify_capture(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(path) in str(refused.value)
    assert peak < 45_000_000, f"{peak:,}"


def test_no_name_of_a_stream_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "names.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(b'1700000000000000000 {"lastUpdateId":1,"bids":[["1.00","1"]],"asks":[["2.00","1"]]}\n')
        file.write(b'1700000000000000000 {"stream":"btcusdt@trade","data":')
        file.write(b'{"t":1,"p":"1.00","q":"1","T":1700000000000,"m":true}}\n')
        for number in range(60):
            file.write(b'1700000000000000000 {"stream":"%02d%s@x","data":{}}\n' % (number, b"x" * 2**20))
    tracemalloc.start()
    try:
        assert verify_capture(path).gaps == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30_000_000, f"{peak:,}"


def test_a_line_without_end_of_a_recording_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "0.jsonl.zst"
    packer = zstandard.ZstdCompressor().compressobj()
    path.write_bytes(b"".join(map(packer.compress, blanks(80))) + packer.flush())
    tracemalloc.start()
    try:
        reader = FileReader(path)
        assert list(reader.blocks()) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reader.damaged and "a line of more than" in reader.cut
    assert peak < 45_000_000, f"{peak:,}"


def test_a_recording_that_asks_for_a_large_window_is_not_given_it(tmp_path: Path) -> None:
    path = tmp_path / "0.jsonl.zst"
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=26, enable_ldm=True)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path.write_bytes(packer.compress(b"a\n" * 50_000_000) + packer.flush())
    reader = FileReader(path)
    assert list(reader.blocks()) == []
    assert reader.damaged


def test_lines_up_to_the_longest_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LINE_BYTES_MAX", 10)
    monkeypatch.setattr(recorded_file, "LINE_BYTES_MAX", 10)
    path = tmp_path / "lines"
    path.write_bytes(b"123456789\n1\n")
    assert list(rows.lines(path)) == [(1, b"123456789\n"), (2, b"1\n")]
    assert [line for lines in FileReader(path).blocks() for line in lines] == [b"123456789", b"1"]
    path.write_bytes(b"1\n1234567890\n")
    with pytest.raises(CaptureError, match="record 2"):
        list(rows.lines(path))
