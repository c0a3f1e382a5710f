"""Files that nobody recorded: refused by every command in the same way, with file and record, within the memory."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from tests.app.paper_process import PaperHome
from tests.attack.watching import ESCAPES, assert_tame, ended

pytestmark = pytest.mark.slow

_FIELDS = ("timestamp", "open", "high", "low", "close", "volume")
_PLAIN = {"open": "100.0", "high": "101.0", "low": "99.0", "close": "100.5", "volume": "1.5"}
#: What is odd in the eighth candle of a file.
CANDLES: dict[str, dict[str, str]] = {
    "a volume of 1e18": {"volume": "1e18"},
    "a volume below zero": {"volume": "-1"},
    "a high of 1e15": {"high": "1" + "0" * 15},
    "a low of next to nothing": {"low": "0.00001"},
    "a price of 5,000 digits": {"high": "1" * 5_000},
    "a time of 5,000 digits": {"timestamp": "1" * 5_000},
    "a time in 1970": {"timestamp": "60000"},
    "a time before 1970": {"timestamp": "-60000"},
    "a time in the year 9999": {"timestamp": "253402300799000"},
    "no number": {"close": "NaN"},
    "an endless number": {"close": "Infinity"},
    "an exponent of nine digits": {"close": "1e999999999"},
    "digits of another script": {"close": "\u0661\u0660\u0660.5"},
    "escapes": {"close": ESCAPES.replace("\n", "")},
}
#: Of these, what would be stored by whoever does not look again; to store takes longer than to look.
STORED = ("a volume of 1e18", "a high of 1e15", "a time in 1970")
#: A line of so much does not fit what a session may take.
_LINE_MB, _PEAK_MAX_MB = 600, 300


def candles(folder: Path, odd: dict[str, str]) -> str:
    folder.mkdir()
    lines = [",".join(_FIELDS)]
    for number in range(30):
        plain = {"timestamp": str(1_700_000_040_000 + number * 60_000)} | _PLAIN
        lines.append(",".join((plain | (odd if number == 7 else {})).values()))
    (folder / "BTC_USDT-1m.csv").write_text("\n".join([*lines, ""]))
    return str(folder)


def test_what_one_command_refuses_in_a_file_of_candles_every_command_refuses(home: PaperHome, tmp_path: Path) -> None:
    untold = []
    for number, (what, odd) in enumerate(CANDLES.items()):
        folder = candles(tmp_path / str(number), odd)
        verify, store = ("captures", "verify", folder), ("data", "import", folder, "--json")
        for words in (verify, store) if what in STORED else (verify,):
            refused = home.run(*words)
            said = refused.stdout + refused.stderr
            assert_tame(said, what)
            if refused.code != 6 or ", record " not in said or len(said) > 3_000:
                untold.append(f"{words[:2]} of {what}: {refused}")
        assert home.run("captures", "list", folder).code in (0, 6), what
    assert untold == []
    plain = candles(tmp_path / "plain", {})
    assert home.run("data", "import", plain, "--json").code == 0


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(home: PaperHome, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "book.jsonl.gz", "wb", compresslevel=1) as file:
        file.write(b'{"rx_ns":1700000000000000000,"frame":{"channel":"')
        for _ in range(_LINE_MB):
            file.write(b"x" * 1_000_000)
    running = home.start("captures", "verify", str(tmp_path / "book.jsonl.gz"))
    code, most_mb = ended(running)
    assert code == 6, running.complained
    assert "characters" in running.complained or "line" in running.complained
    assert 0 < most_mb < _PEAK_MAX_MB
