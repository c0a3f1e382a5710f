"""What later work mends at the door of files: each fails here for what it names as missing, until it is there."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.app.paper_process import PaperHome
from tests.attack.later import later

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder

pytestmark = pytest.mark.slow

_HEADER = "timestamp,open,high,low,close,volume"
_ROWS = [f"{1_700_000_040_000 + n * 60_000},100.0,101.0,99.0,100.{n % 10},1.5" for n in range(30)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperHome]:
    """One home for those that change nothing of each other's."""
    folder = tmp_path_factory.mktemp("shared") / "home"
    yield PaperHome(folder)
    if (cluster_folder(folder) / "data").is_dir():
        with EmbeddedCluster(cluster_folder(folder)):
            pass


def table(rows: Sequence[str] = _ROWS) -> str:
    return "\n".join([_HEADER, *rows, ""])


def _file(folder: Path, name: str, text: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return str(folder)


@pytest.fixture(scope="module")
def imported(shared: PaperHome, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an import says of a file of thirty candles that names no venue."""
    done = shared.run("data", "import", _file(tmp_path_factory.mktemp("files"), "BTC_USDT-1m.csv", table()), "--json")
    assert done.code == 0, done
    (found,) = json.loads(done.stdout)
    return dict(found)


@later("the first row of a candle file is kept, and the last one unless it is still open by the clock")
def test_an_import_keeps_the_first_and_the_last_candle_of_a_file(imported: dict[str, Any]) -> None:
    assert imported["rows"] == len(_ROWS)


@later("a venue that no file names is unknown until somebody says it")
def test_an_import_does_not_guess_the_venue(imported: dict[str, Any]) -> None:
    assert imported["venue"] != "kraken"


@later("a candle file in microseconds is read by the magnitude of its times")
def test_times_in_microseconds_are_read(shared: PaperHome, tmp_path: Path) -> None:
    rows = [row.replace(",", "000,", 1) for row in _ROWS]
    listed = shared.run("captures", "list", _file(tmp_path / "files", "BTC_USDT-1m.csv", table(rows)), "--json")
    assert json.loads(listed.stdout)[0]["problem"] == ""


def test_hours_without_a_candle_are_a_hole_where_somebody_trades_every_minute(
    shared: PaperHome, tmp_path: Path
) -> None:
    """Four hours out of eight and a half, of five-minute candles."""
    times = (1_700_000_100_000 + n * 300_000 for n in range(100) if not 40 <= n < 88)
    rows = [f"{time_ms},100.0,101.0,99.0,100.5,1.5" for time_ms in times]
    verified = shared.run("captures", "verify", _file(tmp_path / "files", "BTC_USDT-5m.csv", table(rows)), "--json")
    assert json.loads(verified.stdout)["gaps"] == 1


@later("a recording of a futures market is told from one of spot")
def test_a_futures_market_is_not_taken_as_spot(shared: PaperHome, tmp_path: Path) -> None:
    """Its updates say the last one before them (`pu`), which spot's do not."""
    start_ms = 1_700_000_000_000
    bids, asks = [["60000.10", "1.5"]], [["60000.20", "2.0"]]
    lines = [{"lastUpdateId": 100, "E": start_ms, "T": start_ms, "bids": bids, "asks": asks}]
    for n in range(20):
        data = {"e": "depthUpdate", "E": start_ms + n * 100, "T": start_ms, "s": "BTCUSDT", "pu": 95 + n * 10,
                "U": 100 + n * 10, "u": 109 + n * 10, "b": bids, "a": asks}  # fmt: skip
        lines.append({"stream": "btcusdt@depth@100ms", "data": data})
    text = "\n".join(f"{start_ms + n * 100}000000 {json.dumps(each)}" for n, each in enumerate(lines))
    verified = shared.run("captures", "verify", _file(tmp_path / "files", "btcusdt_20231114.txt", text + "\n"))
    assert verified.code == 6, verified


@later("a tick binds orders of today and no history")
def test_history_from_before_a_tick_was_made_coarser_is_read(shared: PaperHome, tmp_path: Path) -> None:
    rows = [f"{1_380_000_000 + n * 3600},123.61,123.7,123.55,123.61,4.2,7" for n in range(30)]
    verified = shared.run("captures", "verify", _file(tmp_path / "files", "XBTUSD_60.csv", "\n".join([*rows, ""])))
    assert verified.code == 0, verified


_PANDAS = table([f"2025-03-01 00:{n:02}:00+00:00,100.0,101.0,99.0,100.5,1.5" for n in range(30)])
_KLINES = "".join(
    f"{open_ms},100.00,101.00,99.00,100.50,1.5,{open_ms + 59_999},150.0,12,0.7,70,0\n"
    for open_ms in range(1_700_000_040_000, 1_700_001_840_000, 60_000)
)
#: CryptoDataDownload: a line of advertising, the volume of both coins, the newest first.
_DOWNLOAD = "\n".join(
    [
        "https://www.CryptoDataDownload.com",
        "Unix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount",
        *(
            f"{1_700_003_600_000 - n * 60_000},2023-11-14 23:{59 - n}:00,BTCUSDT,100.0,101.0,99.0,100.5,1.5,150,9"
            for n in range(30)
        ),
        "",
    ]
)
_FORMS = {
    "pandas": ("BTC_USDT-1m.csv", _PANDAS),
    "pandas with a byte order mark": ("BTC_USDT-1m.csv", f"\ufeff{_PANDAS}"),
    "a header in quotes": (
        "BTC_USDT-1m.csv",
        table().replace(_HEADER, ",".join(f'"{each}"' for each in _HEADER.split(","))),
    ),
    "semicolons": ("BTC_USDT-1m.csv", table().replace(",", ";")),
    "tabs": ("BTC_USDT-1m.csv", table().replace(",", "\t")),
    "klines without a header": ("BTCUSDT-1m-2023-11.csv", _KLINES),
    "a line before the header": ("Binance_BTCUSDT_minute.csv", _DOWNLOAD),
    "a pair that nobody listed": ("BCH_EUR-1m.csv", table()),
}


@later("the usual forms of times and tables are read")
@pytest.mark.parametrize("form", _FORMS)
def test_a_table_as_users_have_it_is_read(shared: PaperHome, tmp_path: Path, form: str) -> None:
    verified = shared.run("captures", "verify", _file(tmp_path / "files", *_FORMS[form]))
    assert verified.code == 0, verified


@later("an archive as exchanges ship it is opened")
def test_a_zip_is_read(shared: PaperHome, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "BTC_USDT-1m.zip", "w") as archive:
        archive.writestr("BTC_USDT-1m.csv", table())
    verified = shared.run("captures", "verify", str(tmp_path / "BTC_USDT-1m.zip"))
    assert verified.code == 0, verified


@later("a file that cannot be used is named, and what can be is used")
def test_one_file_without_a_pair_in_its_name_does_not_decide_over_a_folder(shared: PaperHome, tmp_path: Path) -> None:
    _file(tmp_path / "files", "BTC_USDT-1m.csv", table())
    stored = shared.run("data", "import", _file(tmp_path / "files", "notes.csv", table()), "--json")
    assert stored.code == 0, stored
