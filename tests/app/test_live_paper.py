"""`paper` on the live market: a local Kraken in a process of its own, started, stopped, killed and replayed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.app.paper_process import PaperHome, Running, eventually
from tests.app.stored_record import ask, check_record, database_of

from triplegain.feeds.recording.folder import load_manifest
from triplegain.feeds.recording.recording import RecordedLines
from triplegain.venues.kraken.feed_line import FrameLine, read_line

_L2 = "binance_spot_l2_trades_btcusdt_2024-08"
_HASHES = ("fills_sha256", "ledger_sha256")
_LIVE = ("--feed", "live", "--candle", "1s", "--json")

#: Starts a local Kraken with more words for its command; its process, and the environment that points at it.
Serve = Callable[..., tuple[Running, dict[str, str]]]


@pytest.fixture
def serve(captures: Path, tmp_path: Path) -> Iterator[Serve]:
    """Local Krakens on free ports, gone at the end."""
    servers: list[Running] = []
    home = PaperHome(tmp_path / "kraken")

    def start(*words: str, recorded: str = _L2) -> tuple[Running, dict[str, str]]:
        server = home.start("local-kraken", str(captures / recorded), "--json", *words)
        servers.append(server)
        said = eventually(lambda: _first_line(server), "the local Kraken")
        environment: dict[str, str] = json.loads(said)["environment"]
        return server, environment

    yield start
    for server in servers:
        if not server.is_over:
            server.kill()


def _first_line(server: Running) -> str:
    assert not server.is_over, server.wait()
    return server.said.partition("\n")[0] if "\n" in server.said else ""


def _live(home: PaperHome, kraken: dict[str, str], *words: str) -> dict[str, Any]:
    summary: dict[str, Any] = home.run("paper", *_LIVE, *words, environ=kraken).answer
    return summary


def test_where_kraken_does_not_answer_the_demo_market_is_traded_and_that_is_said(shared_home: PaperHome) -> None:
    ran = shared_home.run("paper", "--json", "--duration", "1s")
    assert ran.answer["feed"] == "demo"
    (told,) = [line for line in ran.stderr.splitlines() if "demo market instead" in line]
    assert "http://127.0.0.1:9/0/public/SystemStatus cannot be reached" in told


def test_a_live_feed_that_is_insisted_on_is_not_replaced(shared_home: PaperHome) -> None:
    ran = shared_home.run("paper", "--feed", "live", "--json")
    assert ran.code == 6
    assert "cannot be reached" in ran.error["error_message"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--feed", "live", "--speed", "2"), "runs at its own speed"),
        (("--feed", "demo", "--record"), "--record records a live market"),
    ],
)
def test_words_that_make_no_sense_on_a_live_market(shared_home: PaperHome, words: tuple[str, ...], told: str) -> None:
    ran = shared_home.run("paper", *words)
    assert (ran.code, told in ran.stderr) == (2, True)


@pytest.mark.slow
def test_a_live_session_replays_to_the_same_fills_and_recorded_what_was_sent(
    shared_home: PaperHome, serve: Serve, tmp_path: Path
) -> None:
    """Stopped after 60 s and taken up again for 90: the recording holds both runs and the trades missed between."""
    log = tmp_path / "sent.jsonl"
    server, kraken = serve("--speed", "8", "--log", str(log))
    first = _live(shared_home, kraken, "--session", "live", "--record", "--duration", "60s")
    second = _live(shared_home, kraken, "--session", "live", "--record", "--duration", "90s")
    assert first["session"] == second["session"] == "live"
    assert second["fills"] > first["fills"] > 0
    recording = shared_home.path / "recordings" / "live"
    again = shared_home.paper("--feed", f"replay:{recording}", "--candle", "1s", "--session", "again")
    assert {name: again[name] for name in ("orders", "fills", "fees", *_HASHES)} == {
        name: second[name] for name in ("orders", "fills", "fees", *_HASHES)
    }
    # Its log is whole once it has ended.
    assert server.interrupt().code == 0
    sent = [line.frame for line in map(read_line, log.read_bytes().splitlines()) if isinstance(line, FrameLine)]
    manifest = load_manifest(recording)
    lines = RecordedLines(recording, manifest)
    taken = [line.frame for run in manifest.runs for line in lines.of_run(run.run) if isinstance(line, FrameLine)]
    assert len(manifest.runs) == 2
    # What was on its way when a run ended was sent and not taken; nothing was taken that was not sent.
    assert len(taken) > 10_000
    assert _in_order(taken, sent)


def _in_order(part: list[bytes], whole: list[bytes]) -> bool:
    """Whether `part` is `whole` with some left out."""
    rest = iter(whole)
    return all(any(each == one for each in rest) for one in part)


@pytest.mark.slow
def test_a_killed_live_session_goes_on_with_its_orders_and_meets_what_it_missed(
    shared_home: PaperHome, serve: Serve
) -> None:
    """The market stands above 61,809 for its first 90 s and falls to 61,724 by 180 s, while nobody watches."""
    _, kraken = serve("--speed", "2")
    with shared_home.running("paper", *_LIVE, "--session", "killed", environ=kraken) as running:
        place = ("order", "place", "BTC/USDT", "buy", "0.01", "--limit", "61760", "--id", "bid", "--session", "killed")
        eventually(lambda: shared_home.run(*place, "--json").code == 0, "the order")
        running.kill()
    _skip(kraken, 180)
    resumed = _live(shared_home, kraken, "--session", "killed", "--duration", "10s")
    assert not resumed["halted"]
    with database_of(shared_home) as url:
        check_record(url, "killed")
        fills = ask(url, _FILLS_OF, "killed", "bid")
    assert sum(fill["quantity"] for fill in fills) == Decimal("0.01")
    told = {(fill["price"], fill["maker"], json.loads(fill["explanation"])["cause"]["event"]) for fill in fills}
    assert told == {(Decimal(61760), True, "missed_trade")}


_FILLS_OF = """
    SELECT t.price, t.quantity, t.maker, t.explanation
    FROM paper_trades t JOIN paper_orders o USING (session_id, order_number)
    WHERE o.session_id = $1 AND o.client_order_id = $2"""


def _skip(kraken: dict[str, str], market_s: int) -> None:
    """Market time passes at once."""
    url = f"{kraken['TRIPLEGAIN_KRAKEN_REST_URL']}/control/skip"
    httpx.post(url, json={"market_s": market_s}, timeout=30).raise_for_status()
