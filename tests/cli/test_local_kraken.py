from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from triplegain.cli import main
from triplegain.venues.kraken.feed_line import FrameLine, read_line

ROOT = Path(__file__).resolve().parent.parent.parent
CAPTURE = "kraken_wsv2_btcusd_book/orderbook-v2.json"


@pytest.mark.skipif(os.name == "nt", reason="a signal ends the command")
async def test_the_command_serves_says_where_and_ends_with_its_signal(captures: Path, tmp_path: Path) -> None:
    log = tmp_path / "sent.jsonl"
    command = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "triplegain", "local-kraken", captures / CAPTURE, "--speed", "max", "--log", log, "--json"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    try:
        assert command.stdout is not None
        said = json.loads(await asyncio.wait_for(command.stdout.readline(), 30))
        assert (said["symbols"], said["derived"]) == (["BTC/USD"], [])
        url = said["environment"]["TRIPLEGAIN_KRAKEN_WS_URL"]
        assert url == f"ws://127.0.0.1:{said['port']}/v2"
        frames = []
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            await socket.send_json({"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USD"]}})
            # State, acknowledgement, snapshot and all 509 updates.
            frames = [(await socket.receive_str(timeout=10)).encode() for _ in range(512)]
        command.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(command.wait(), 10) == 0
    finally:
        if command.returncode is None:
            command.kill()
    lines = [read_line(line) for line in log.read_bytes().splitlines()]
    assert [line.frame for line in lines if isinstance(line, FrameLine)] == frames


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["kraken_ohlcv_btcusdt/XBTUSDT_60.csv"], 6, "books or trades are needed"),
        (["nowhere"], 6, "does not exist"),
        ([CAPTURE, "--speed", "fast"], 2, "--speed is a number or max, not 'fast'"),
        ([CAPTURE, "--speed", "0"], 2, "above zero"),
        ([CAPTURE, "--log", "/nowhere/sent.jsonl"], 6, "cannot be written"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_line(
    captures: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, problem: str
) -> None:
    assert main(["local-kraken", str(captures / words[0]), *words[1:]]) == code
    assert problem in capsys.readouterr().err
