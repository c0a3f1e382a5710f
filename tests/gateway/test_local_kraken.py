from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from tests.gateway.small_market import START, Client, SmallFeed, changes, client_of, get
from tests.venues.followed import Followed

from triplegain.domain.clock import ManualClock
from triplegain.domain.market import MarketEvent
from triplegain.gateway.local_kraken import LocalKraken, OnSent, sent_log
from triplegain.gateway.pacing import ServingSettings
from triplegain.market.feed import CaptureError, FeedError
from triplegain.venues.kraken.book import BOOK_DEPTHS
from triplegain.venues.kraken.feed_line import DownLine, FrameLine, ReplyLine, read_line

WAITING = ServingSettings(start_after=None)
SMALL = SmallFeed(changes(50))


async def test_a_connection_is_told_the_state_of_the_exchange_and_answers_pings() -> None:
    async with LocalKraken(SMALL, WAITING) as server, client_of(server) as client:
        assert await client.ask('{"method":"ping","req_id":101}') == {
            "method": "pong", "req_id": 101, "time_in": "2023-11-14T22:13:00.000000Z",
            "time_out": "2023-11-14T22:13:00.000000Z",
        }  # fmt: skip
        refused = await client.ask('{"method":"ping","params":{},"req_id":0}')
        assert refused["error"] == "Unsupported field: 'params' for the given msg type: ping"


async def test_each_symbol_is_acknowledged_before_its_snapshot_under_the_number_of_the_request() -> None:
    async with LocalKraken(SMALL, WAITING) as server, client_of(server) as client:
        await client.subscribe("book", "BTC/USDT", "XBT/USD", "XRP/BTC", depth=25, req_id=7)
        ack, snapshot, refused, other, more = [await client.json() for _ in range(5)]
    assert (ack["req_id"], ack["success"]) == (7, True)
    assert ack["result"] == {"channel": "book", "depth": 25, "snapshot": True, "symbol": "BTC/USDT"}
    assert (snapshot["channel"], snapshot["type"], len(snapshot["data"][0]["bids"])) == ("book", "snapshot", 12)
    assert (refused["error"], refused["success"], refused["req_id"]) == (
        "Currency pair not supported XBT/USD",
        False,
        7,
    )
    assert (other["result"]["symbol"], more["data"][0]["symbol"], other["req_id"]) == ("XRP/BTC", "XRP/BTC", 7)


@pytest.mark.parametrize(
    ("request_text", "error"),
    [
        ('{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USDT"],"depth":11}}',
         "Subscription depth not supported 11"),
        ('{"method":"subscribe","params":{"channel":"ohlc","symbol":["BTC/USDT"],"interval":2}}',
         "Subscription ohlc interval not supported 2"),
        ('{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USDT"],"event_trigger":"x"}}',
         "Subscription event trigger not supported x"),
        ('{"method":"subscribe","params":{"channel":"gossip","symbol":["BTC/USDT"]}}', "Channel not supported gossip"),
        ('{"method":"subscribe","params":{"channel":"book"}}', "Symbol(s) not found"),
        ('{"method":"unsubscribe","params":{"channel":"book","symbol":["BTC/USDT"]}}', "Subscription Not Found"),
        ('{"method":"dance"}', "Unsupported event"),
        ('{"method":"add_order","params":{}}', "Token(s) not found"),
        ('{"method":"subscribe","params":{"channel":"executions"}}', "Token(s) not found"),
        ('{"method":"subscribe","params":{"channel":"balances","token":"x"}}', "EGeneral:Permission denied"),
        ('nul JSON', "Malformed request: JSON is malformed: invalid character (byte 4)"),
        ('{"method":7}', "Malformed request: Expected `str`, got `int` - at `$.method`"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused_and_the_connection_lives_on(request_text: str, error: str) -> None:
    async with LocalKraken(SMALL, WAITING) as server, client_of(server) as client:
        answer = await client.ask(request_text)
        assert (answer["error"], answer["success"]) == (error, False)
        assert (await client.ask('{"method":"ping"}'))["method"] == "pong"


async def test_a_second_subscription_is_refused_and_an_ended_one_can_be_made_again() -> None:
    async with LocalKraken(SMALL, WAITING) as server, client_of(server) as client:
        await client.subscribe("book", "BTC/USDT")
        assert [(await client.json()).get("success"), (await client.json())["type"]] == [True, "snapshot"]
        await client.subscribe("book", "BTC/USDT", req_id=2)
        assert (await client.json())["error"] == "Already subscribed"
        await client.unsubscribe("book", "BTC/USDT", req_id=3)
        assert (await client.json())["result"] == {"channel": "book", "depth": 10, "symbol": "BTC/USDT"}
        server.player.skip(5)
        await client.subscribe("book", "BTC/USDT")
        assert (await client.json())["success"]
        # A snapshot of now: the best bid has grown by 50 x 0.00001 BTC.
        assert (await client.json())["data"][0]["bids"][0] == {"price": 37000.0, "qty": 1.0005}


async def test_snapshots_come_by_default_but_for_trades_and_can_be_left_out() -> None:
    settings = ServingSettings(start_after=None, history_s=5)
    async with LocalKraken(SMALL, settings) as server, client_of(server) as client:
        for channel in ("ticker", "ohlc", "trade"):
            await client.subscribe(channel, "BTC/USDT")
        await client.subscribe("instrument")
        await client.subscribe("trade", "XRP/USDT", snapshot=True)
        await client.subscribe("book", "XRP/USDT", snapshot=False)
        frames = [await client.json() for _ in range(10)]
        assert [(one.get("method"), one.get("channel"), one.get("type")) for one in frames] == [
            ("subscribe", None, None), (None, "ticker", "snapshot"),
            ("subscribe", None, None), (None, "ohlc", "snapshot"),
            ("subscribe", None, None),
            ("subscribe", None, None), (None, "instrument", "snapshot"),
            ("subscribe", None, None), (None, "trade", "snapshot"),
            ("subscribe", None, None),
        ]  # fmt: skip
        assert await client.silence(0.05)
    assert [pair["symbol"] for pair in frames[6]["data"]["pairs"]] == ["BTC/USDT", "XRP/BTC", "XRP/USDT"]
    assert [one["trade_id"] for one in frames[8]["data"]] == [501, 502, 503, 504, 505]


async def test_the_market_waits_for_the_channels_it_was_told_to_wait_for() -> None:
    settings = ServingSettings(start_after=("book", "trade"))
    async with LocalKraken(SMALL, settings) as server, client_of(server) as client:
        await client.subscribe("book", "BTC/USDT")
        await client.until("book", "snapshot")
        assert await client.silence(0.05) and not server.player.is_started
        await client.subscribe("trade", "BTC/USDT")
        seen = Counter[str]()
        while sum(seen.values()) < 55:
            seen[(await client.json()).get("channel", "")] += 1
    # 50 changes and the first four of five trades follow the acknowledgement.
    assert seen == {"": 1, "book": 50, "trade": 4}


async def test_every_channel_says_what_happens() -> None:
    async with LocalKraken(SMALL, WAITING) as server, client_of(server) as client:
        await client.subscribe("ticker", "BTC/USDT", event_trigger="trades", snapshot=False)
        await client.subscribe("ticker", "BTC/USDT", event_trigger="bbo", snapshot=False)
        await client.subscribe("ohlc", "BTC/USDT", interval=5, snapshot=False)
        for _ in range(3):
            await client.json()
        server.player.skip(1)
        frames = [await client.json() for _ in range(12)]
    # Ten changes of the best bid, then one trade: eleven tickers, one candle.
    assert Counter(one["channel"] for one in frames) == {"ticker": 11, "ohlc": 1}
    candle = next(one for one in frames if one["channel"] == "ohlc")["data"][0]
    assert (candle["trades"], candle["interval"], candle["interval_begin"]) == (1, 5, "2023-11-14T22:10:00.000000000Z")


async def test_late_and_early_subscribers_hold_the_same_book() -> None:
    async with LocalKraken(SMALL, WAITING) as server, client_of(server) as early, client_of(server) as late:
        frames: dict[Client, list[bytes]] = {early: [], late: []}
        await early.subscribe("book", "BTC/USDT")
        frames[early] = [await early.text(), await early.text()]
        server.player.skip(2)
        await late.subscribe("book", "BTC/USDT")
        frames[late] = [await late.text(), await late.text()]
        server.player.skip(3)
        for client, updates in ((early, 50), (late, 30)):
            frames[client] += [await client.text() for _ in range(updates)]
            decoder = Followed(server.venue.instruments, server.venue.now_ns)
            for frame in frames[client]:
                decoder.take(frame)
            assert decoder.found == (updates + 1, 0, 0)
    assert frames[early][-1] == frames[late][-1]


async def test_market_time_keeps_its_speed() -> None:
    loop = asyncio.get_running_loop()
    async with LocalKraken(SMALL, ServingSettings(speed=50)) as server, client_of(server) as client:
        await client.subscribe("book", "BTC/USDT", snapshot=False)
        await client.json()
        began = loop.time()
        await asyncio.wait_for(server.player.finished.wait(), 5)
        # 5 s of market at 50 times their speed.
        assert 0.09 < loop.time() - began < 2


async def test_a_pause_stops_market_time_and_a_start_without_listeners_waits_for_one() -> None:
    async with LocalKraken(SmallFeed(changes(500)), ServingSettings(start_after=())) as server:
        await asyncio.sleep(0.02)
        assert server.player.is_started and server.venue.events < 100
        server.player.pause()
        async with client_of(server) as client:
            await client.subscribe("book", "BTC/USDT", snapshot=False)
            await client.json()
            assert await client.silence(0.05)
            server.player.resume()
            await asyncio.wait_for(server.player.finished.wait(), 5)


async def test_heartbeats_come_where_nothing_else_is_said_and_only_to_subscribers() -> None:
    settings = ServingSettings(start_after=None, heartbeat_s=0.05)
    async with LocalKraken(SMALL, settings) as server, client_of(server) as client:
        assert await client.silence(0.12)
        await client.subscribe("book", "BTC/USDT", snapshot=False)
        await client.json()
        assert [await client.text() for _ in range(2)] == [b'{"channel":"heartbeat"}'] * 2


async def test_an_idle_connection_is_closed_and_a_ping_keeps_it() -> None:
    async with LocalKraken(SMALL, ServingSettings(start_after=None, idle_s=0.6)) as server, client_of(server) as client:
        for _ in range(4):
            await asyncio.sleep(0.2)
            assert (await client.ask('{"method":"ping"}'))["method"] == "pong"
        with pytest.raises(ConnectionError, match="CLOSE"):
            await client.text()
        assert client.socket.close_code == 1001


async def test_connections_beyond_the_limit_are_refused() -> None:
    settings = ServingSettings(start_after=None, connections_max=1)
    async with LocalKraken(SMALL, settings) as server, client_of(server):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with client_of(server):
                pass
        assert refusal.value.status == 429


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    settings = ServingSettings(speed=1e9, unsent_bytes_max=100_000)
    async with LocalKraken(SmallFeed(changes(8000)), settings) as server, client_of(server) as client:
        for depth in BOOK_DEPTHS:
            await client.subscribe("book", "BTC/USDT", depth=depth)
        # Nothing is read: the client's own queue fills up, then the buffers of the network.
        await asyncio.wait_for(server.player.finished.wait(), 20)
        assert len(server.audience) == 0


async def test_private_methods_are_refused_over_rest_too() -> None:
    async with LocalKraken(SMALL, WAITING) as server, aiohttp.ClientSession() as session:
        async with session.post(f"{server.rest_url}/0/private/Balance", data={"nonce": "1"}) as answer:
            assert json.loads(await answer.read())["error"] == ["EGeneral:Permission denied"]
        async with session.post(f"{server.rest_url}/0/public/Trades", data={"pair": "XBTUSDT"}) as answer:
            assert json.loads(await answer.read())["error"] == []


async def test_what_was_sent_is_what_was_received(tmp_path: Path) -> None:
    received: list[bytes] = []
    path = tmp_path / "sent.jsonl"
    clock = ManualClock(START)
    with sent_log(path) as log:
        async with LocalKraken(SMALL, WAITING, clock=clock, on_sent=log) as server:
            replied = await get(server, "Time")
            async with client_of(server) as client:
                for channel in ("book", "trade"):
                    await client.subscribe(channel, "BTC/USDT")
                received += [await client.text() for _ in range(3)]
                server.player.skip(5)
                received += [await client.text() for _ in range(55)]
    lines = [read_line(line) for line in path.read_bytes().splitlines()]
    assert isinstance(lines[0], ReplyLine) and lines[0].path == "/0/public/Time"
    assert json.loads(lines[0].reply) == replied
    assert isinstance(lines[-1], DownLine)
    frames = [line for line in lines if isinstance(line, FrameLine)]
    # The first is the exchange's state, which the client has read before.
    assert [line.frame for line in frames[1:]] == received
    assert {(line.connection, line.received_at_ns) for line in frames} == {(0, START)}


async def test_two_runs_send_the_same() -> None:
    runs = []
    for _ in range(2):
        sent: list[FrameLine | ReplyLine | DownLine] = []
        server = LocalKraken(SMALL, ServingSettings(), clock=ManualClock(1), on_sent=sent.append)
        async with server, client_of(server) as client:
            await client.subscribe("trade", "BTC/USDT", "XRP/USDT")
            await client.subscribe("book", "BTC/USDT", "XRP/USDT")
            await asyncio.wait_for(server.player.finished.wait(), 5)
            while True:
                if sent[-1].frame == await client.text():  # type: ignore[union-attr]
                    break
        runs.append(sent)
    assert runs[0] == runs[1] and len(runs[0]) > 100


async def test_a_port_that_is_taken_and_a_path_without_a_market_are_said() -> None:
    async with LocalKraken(SMALL, WAITING) as server:
        with pytest.raises(FeedError, match=f"cannot listen on port {server.port}"):
            async with LocalKraken(SMALL, ServingSettings(port=server.port)):
                pass
    with pytest.raises(CaptureError, match="does not exist"):
        LocalKraken(Path("/nowhere"))


class BrokenFeed(SmallFeed):
    """A recording that is damaged after its tenth event."""

    def events(self) -> Iterator[MarketEvent]:
        yield from self.recorded[:10]
        raise CaptureError(Path("x"), "is damaged")


async def test_a_recording_that_breaks_off_ends_the_server_with_its_error() -> None:
    with pytest.raises(CaptureError, match="is damaged"):
        async with LocalKraken(BrokenFeed(changes(50)), ServingSettings()) as server, client_of(server) as client:
            await client.subscribe("book", "BTC/USDT", snapshot=False)
            await asyncio.wait_for(server.serve_until(asyncio.Event()), 5)


async def test_a_server_serves_until_it_is_over() -> None:
    over = asyncio.Event()
    async with LocalKraken(SMALL, ServingSettings(start_after=())) as server:
        asyncio.get_running_loop().call_later(0.01, over.set)
        await asyncio.wait_for(server.serve_until(over), 5)


@pytest.mark.parametrize("settings", [{"speed": 0.0}, {"history_s": -1.0}, {"heartbeat_s": 0.0}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        ServingSettings(**settings)  # type: ignore[arg-type]


async def test_what_was_sent_can_be_served_again_and_is_the_same(tmp_path: Path) -> None:
    async def market_frames(source: Path | SmallFeed, log: OnSent | None) -> list[bytes]:
        async with LocalKraken(source, WAITING, on_sent=log) as server, client_of(server) as client:
            await get(server, "AssetPairs")
            for channel in ("book", "trade"):
                await client.subscribe(channel, "BTC/USDT", "XRP/USDT")
            for _ in range(6):
                await client.text()
            server.player.skip(5)
            return [await client.text() for _ in range(110)]

    with sent_log(tmp_path / "sent.jsonl") as log:
        first = await market_frames(SMALL, log)
    assert await market_frames(tmp_path / "sent.jsonl", None) == first
