from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from tests.gateway.small_market import Client, SmallFeed, changes, client_of, get
from tests.venues.followed import Followed

from triplegain.gateway.faults import GARBAGE, FaultKind, WireFault
from triplegain.gateway.local_kraken import LocalKraken
from triplegain.gateway.pacing import ServingSettings

#: The market moves when a test says so; heartbeats come quickly.
SETTINGS = ServingSettings(start_after=None, heartbeat_s=0.05)
BOTH = ("BTC/USDT", "XRP/USDT")


@asynccontextmanager
async def served(*channels: str) -> AsyncIterator[tuple[LocalKraken, Client]]:
    """A server and a client that has subscribed these channels of two instruments, without snapshots."""
    async with LocalKraken(SmallFeed(changes(100)), SETTINGS) as server, client_of(server) as client:
        for channel in channels:
            await client.subscribe(channel, *BOTH, snapshot=False)
            for _ in BOTH:
                await client.json()
        yield server, client


async def _frames(server: LocalKraken, client: Client, count: int, channel: str, symbol: str) -> list[bytes]:
    """The next frames of one channel and symbol, as the market is made to move."""
    found: list[bytes] = []
    while len(found) < count:
        server.player.skip(0.1)
        while len(found) < count:
            try:
                text = await client.text(0.03)
            except TimeoutError:
                break
            if text == GARBAGE or (f'"channel":"{channel}"'.encode() in text and symbol.encode() in text):
                found.append(text)
    return found


def _sizes(frames: list[bytes]) -> list[int]:
    """The best bid's growth in thousands of lots: 1, 2, 3 and so on, as the recording has it."""
    return [round(json.loads(frame)["data"][0]["bids"][0]["qty"] * 1e5 - 1e5) for frame in frames]


async def _ends(client: Client) -> str:
    """How the connection ended: the frames before that are read."""
    while True:
        try:
            await client.text()
        except ConnectionError as end:
            return str(end)


async def test_a_disconnect_resets_the_connections_of_a_symbol() -> None:
    async with served("book") as (server, client), client_of(server) as other:
        server.faults.order(WireFault(FaultKind.DISCONNECT, "BTC/USDT"))
        assert await _ends(client) in ("CLOSED", "ERROR")
        assert client.socket.close_code == 1006
        assert (await other.ask('{"method":"ping"}'))["method"] == "pong"
        async with client_of(server):
            pass


async def test_a_close_goes_through_the_handshake() -> None:
    async with served("book") as (server, client):
        server.faults.order(WireFault(FaultKind.CLOSE))
        assert await _ends(client) == "CLOSE"
        assert client.socket.close_code == 1001


async def test_a_half_open_connection_says_nothing_and_new_ones_work() -> None:
    async with served("book") as (server, client):
        server.faults.order(WireFault(FaultKind.HALF_OPEN))
        server.player.skip(1)
        await client.socket.send_str('{"method":"ping"}')
        await client.socket.ping()
        assert await client.silence(0.2)
        assert not client.socket.closed
        async with client_of(server) as another:
            assert (await another.ask('{"method":"ping"}'))["method"] == "pong"
        # Even the closing handshake is not answered; the client gives up by itself.
        client.socket._close_timeout = 0.05  # type: ignore[attr-defined]
        await client.socket.close()
        for _ in range(100):
            if not server.faults.armed.in_force:
                break
            await asyncio.sleep(0.02)
        # Nobody holds it open any more: the fault is over.
        assert server.faults.armed.in_force == []


async def test_a_half_open_connection_comes_back_after_its_duration() -> None:
    async with served("book") as (server, client):
        server.faults.order(WireFault(FaultKind.HALF_OPEN, duration_s=0.5))
        assert await client.silence(0.1)
        assert await client.text() == b'{"channel":"heartbeat"}'


async def test_delayed_frames_are_late_and_in_order() -> None:
    async with served("book") as (server, client):
        server.faults.order(WireFault(FaultKind.DELAY, "BTC/USDT", times=3, delay_ms=80))
        loop = asyncio.get_running_loop()
        began = loop.time()
        server.player.skip(0.5)
        frames: list[bytes] = []
        while len(frames) < 5:
            frame = await client.text()
            if b"BTC/USDT" in frame:
                frames.append(frame)
                assert loop.time() - began > 0.075
        assert _sizes(frames) == [1, 2, 3, 4, 5]


async def test_a_slow_writer_sends_one_frame_at_a_time() -> None:
    async with served("book") as (server, client):
        server.faults.order(WireFault(FaultKind.SLOW_WRITER, delay_ms=20))
        loop = asyncio.get_running_loop()
        began = loop.time()
        server.player.skip(0.3)
        frames = [await client.text() for _ in range(6)]
        # Three changes of two instruments, 20 ms apart.
        assert loop.time() - began > 0.1
        assert _sizes([one for one in frames if b"BTC/USDT" in one]) == [1, 2, 3]


async def test_a_slow_reader_answers_late() -> None:
    async with served() as (server, client):
        armed = server.faults.order(WireFault(FaultKind.SLOW_READER, times=1, delay_ms=80))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await client.ask('{"method":"ping"}')
        assert loop.time() - began > 0.075
        await client.ask('{"method":"ping"}')
        assert armed.hits == 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.DUPLICATE, [1, 1, 2, 2, 3, 4]),
        (FaultKind.REORDER, [2, 1, 4, 3, 5, 6]),
        (FaultKind.GAP, [3, 4, 5, 6, 7, 8]),
    ],
)
async def test_updates_of_one_symbol_come_twice_in_another_order_or_not_at_all(
    kind: FaultKind, expected: list[int]
) -> None:
    async with served("book") as (server, client):
        armed = server.faults.order(WireFault(kind, "BTC/USDT", "book", times=2))
        assert _sizes(await _frames(server, client, 6, "book", "BTC/USDT")) == expected
        assert armed.hits == 2 and server.faults.armed.hits == {kind: 2}


async def test_a_fault_of_one_symbol_leaves_the_others_alone() -> None:
    async with served("book") as (server, client):
        server.faults.order(WireFault(FaultKind.GAP, "BTC/USDT", duration_s=60))
        frames = await _frames(server, client, 3, "book", "XRP/USDT")
        assert len(frames) == 3


async def test_a_gap_in_the_trades_is_a_hole_in_their_numbers() -> None:
    async with served("trade") as (server, client):
        server.faults.order(WireFault(FaultKind.GAP, "BTC/USDT", "trade", times=1))
        frames = await _frames(server, client, 2, "trade", "BTC/USDT")
        # The first trade, number 501, is the one that is missing.
        assert [json.loads(frame)["data"][0]["trade_id"] for frame in frames] == [502, 503]
        page = await get(server, "Trades", pair="XBTUSDT", since="0")
        assert page["result"]["XBTUSDT"][0][6] == 501


async def test_a_bad_checksum_is_seen_by_our_own_decoder_and_a_new_snapshot_is_right() -> None:
    async with LocalKraken(SmallFeed(changes(100)), SETTINGS) as server, client_of(server) as client:
        decoder = Followed(server.venue.instruments, server.venue.now_ns)
        await client.subscribe("book", "BTC/USDT")
        for _ in range(2):
            decoder.take(await client.text())
        server.faults.order(WireFault(FaultKind.BAD_CHECKSUM, times=1))
        frames = await _frames(server, client, 3, "book", "BTC/USDT")
        for frame in frames[:1]:
            decoder.take(frame)
        assert decoder.counters.mismatches == 1
        await client.unsubscribe("book", "BTC/USDT")
        await client.subscribe("book", "BTC/USDT")
        decoder.take(json.dumps(await client.until("book", "snapshot")).encode())
        assert decoder.counters.mismatches == 1


async def test_garbage_comes_before_the_next_update() -> None:
    async with served("book") as (server, client):
        server.faults.order(WireFault(FaultKind.GARBAGE, "BTC/USDT"))
        garbage, frame = await _frames(server, client, 2, "book", "BTC/USDT")
        assert garbage == GARBAGE and _sizes([frame]) == [1]
        with pytest.raises(json.JSONDecodeError):
            json.loads(garbage)


async def test_silence_has_no_heartbeats_and_what_it_swallowed_is_lost() -> None:
    async with served("book") as (server, client):
        server.faults.order(WireFault(FaultKind.SILENCE, duration_s=0.5))
        server.player.skip(0.3)
        assert await client.silence(0.12)
        assert (await client.ask('{"method":"ping"}'))["method"] == "pong"
        await client.until("heartbeat")
        assert _sizes(await _frames(server, client, 1, "book", "BTC/USDT")) == [4]


@pytest.mark.parametrize("kind", [FaultKind.MAINTENANCE, FaultKind.CANCEL_ONLY, FaultKind.POST_ONLY])
async def test_states_of_the_exchange_are_said_and_taken_back(kind: FaultKind) -> None:
    async with served("book") as (server, client):
        server.player.start()
        server.player.pause()
        server.faults.order(WireFault(kind, duration_s=0.2))
        assert (await client.until("status"))["data"][0]["system"] == kind
        assert (await get(server, "SystemStatus"))["result"]["status"] == kind
        async with aiohttp.ClientSession() as session, session.ws_connect(server.websocket_url) as socket:
            assert (await socket.receive_json())["data"][0]["system"] == kind
        assert (await client.until("status"))["data"][0]["system"] == "online"
        assert (await get(server, "SystemStatus"))["result"]["status"] == "online"


async def test_under_maintenance_the_market_stands_still_and_then_goes_on_where_it_was() -> None:
    settings = ServingSettings(speed=1000)
    async with LocalKraken(SmallFeed(changes(100)), settings) as server, client_of(server) as client:
        maintenance = server.faults.order(WireFault(FaultKind.MAINTENANCE))
        assert (await client.until("status"))["data"][0]["system"] == "maintenance"
        await client.subscribe("book", "BTC/USDT", snapshot=False)
        await client.json()
        assert await client.silence(0.05)
        server.faults.clear(maintenance)
        frames = [await client.until("book") for _ in range(100)]
        assert len(frames) == 100


async def test_the_last_of_two_states_holds_until_both_are_over() -> None:
    async with served("book") as (server, client):
        first = server.faults.order(WireFault(FaultKind.POST_ONLY))
        second = server.faults.order(WireFault(FaultKind.MAINTENANCE))
        server.faults.clear(second)
        assert server.venue.system == "post_only" and not server.player.is_paused
        server.faults.clear(first)
        states = [(await client.until("status"))["data"][0]["system"] for _ in range(4)]
        assert states == ["post_only", "maintenance", "post_only", "online"]


async def test_the_status_of_an_instrument_is_said_on_its_channel_and_in_asset_pairs() -> None:
    async with served() as (server, client):
        await client.subscribe("instrument", snapshot=False)
        await client.json()
        armed = server.faults.order(WireFault(FaultKind.INSTRUMENT_STATUS, "XRP/USDT", status="cancel_only"))
        (pair,) = (await client.until("instrument", "update"))["data"]["pairs"]
        assert (pair["symbol"], pair["status"]) == ("XRP/USDT", "cancel_only")
        assert (await get(server, "AssetPairs", pair="XRPUSDT"))["result"]["XRPUSDT"]["status"] == "cancel_only"
        server.faults.clear(armed)
        (pair,) = (await client.until("instrument", "update"))["data"]["pairs"]
        assert (pair["symbol"], pair["status"]) == ("XRP/USDT", "online")


async def test_rest_is_limited_in_both_ways() -> None:
    async with served() as (server, _):
        server.faults.order(WireFault(FaultKind.RATE_LIMIT, times=2))
        for _ in range(2):
            assert (await get(server, "Time"))["error"] == ["EAPI:Rate limit exceeded"]
        server.faults.order(WireFault(FaultKind.TOO_MANY_REQUESTS))
        async with aiohttp.ClientSession() as session, session.get(f"{server.rest_url}/0/public/Time") as answer:
            assert answer.status == 429
        assert (await get(server, "Time"))["error"] == []


async def test_connects_are_refused() -> None:
    async with served() as (server, _):
        server.faults.order(WireFault(FaultKind.REFUSE_CONNECTS, times=1))
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with client_of(server):
                pass
        assert refusal.value.status == 429
        async with client_of(server):
            pass


async def test_snapshots_and_answers_are_left_alone_by_faults_of_updates() -> None:
    async with served() as (server, client):
        for kind in (FaultKind.GAP, FaultKind.DUPLICATE, FaultKind.BAD_CHECKSUM, FaultKind.REORDER, FaultKind.GARBAGE):
            server.faults.order(WireFault(kind, duration_s=60))
        await client.subscribe("book", "BTC/USDT", req_id=1)
        assert (await client.json())["req_id"] == 1
        assert (await client.json())["type"] == "snapshot"
        assert server.faults.armed.hits == {}


async def test_all_faults_are_taken_back_at_once() -> None:
    async with served("book") as (server, client):
        server.faults.order(WireFault(FaultKind.GAP, duration_s=60))
        server.faults.order(WireFault(FaultKind.CANCEL_ONLY))
        server.faults.order(WireFault(FaultKind.HALF_OPEN))
        server.faults.clear()
        assert server.faults.armed.in_force == [] and server.venue.system == "online"
        assert _sizes(await _frames(server, client, 1, "book", "BTC/USDT")) == [1]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ({"kind": FaultKind.DELAY}, "needs delay_ms"),
        ({"kind": FaultKind.INSTRUMENT_STATUS, "symbol": "BTC/USDT"}, "needs symbol and status"),
        ({"kind": FaultKind.GAP, "times": -1}, "not below zero"),
        ({"kind": FaultKind.HALF_OPEN, "times": 1}, "lasts for duration_s or until it is cleared"),
    ],
)
def test_a_fault_that_says_too_little_is_refused(fault: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        WireFault(**fault)


async def _control(server: LocalKraken, method: str, path: str, **how: Any) -> tuple[int, dict[str, Any]]:
    url = f"{server.rest_url}/control/{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, **how) as answer:
        found: dict[str, Any] = await answer.json()
        return answer.status, found


async def test_faults_are_ordered_and_seen_over_the_control_endpoint() -> None:
    async with served("book") as (server, client):
        order = {"kind": "gap", "symbol": "BTC/USDT", "channel": "book", "times": 2}
        code, shown = await _control(server, "POST", "faults", json=order)
        assert (code, shown["kind"], shown["times_left"], shown["hits"]) == (200, "gap", 2, 0)
        assert _sizes(await _frames(server, client, 1, "book", "BTC/USDT")) == [3]
        await _control(server, "POST", "faults", json={"kind": "silence", "duration_s": 60})
        _, state = await _control(server, "GET", "state")
        assert [one["kind"] for one in state["faults"]] == ["silence"] and state["happened"]["gap"] == 2
        assert state["symbols"] == ["BTC/USDT", "XRP/BTC", "XRP/USDT"] and state["derived"] == ["XRP/BTC", "XRP/USDT"]
        (connection,) = state["connections"]
        assert connection["subscriptions"] == [["book", "BTC/USDT", 10], ["book", "XRP/USDT", 10]]
        assert await _control(server, "DELETE", "faults") == (200, {"faults": []})
        assert server.faults.armed.in_force == []


async def test_the_market_is_moved_over_the_control_endpoint() -> None:
    async with served() as (server, _):
        _, state = await _control(server, "POST", "skip", json={"market_s": 2})
        assert state["market_time"] == "2023-11-14T22:13:02.000000Z"
        assert (await _control(server, "POST", "pause", json={}))[1]["paused"]
        assert not (await _control(server, "POST", "resume", json={}))[1]["paused"]
        assert (await _control(server, "POST", "start", json={}))[1]["started"]


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"json": {"kind": "earthquake"}}, "Invalid enum value 'earthquake'"),
        ({"json": {"kind": "gap", "tmies": 2}}, "a fault has no tmies"),
        ({"json": {"kind": "gap", "symbol": "DOGE/USDT"}}, "DOGE/USDT is not served here"),
        ({"json": {"kind": "delay"}}, "needs delay_ms"),
        ({"json": ["gap"]}, "a JSON object is expected"),
        ({"data": "{", "headers": {"Content-Type": "application/json"}}, "this is no JSON"),
        # What a web page could send: another name for this machine, or a form.
        ({"data": '{"kind":"gap"}', "headers": {"Content-Type": "text/plain"}}, "send application/json to 127.0.0.1"),
        ({"json": {"kind": "gap"}, "headers": {"Host": "evil.example"}}, "send application/json to 127.0.0.1"),
    ],
)
async def test_orders_that_cannot_be_carried_out_are_refused_with_the_reason(how: dict[str, Any], problem: str) -> None:
    async with served() as (server, _):
        code, answer = await _control(server, "POST", "faults", **how)
        assert code == 400 and problem in answer["error"]
        assert server.faults.armed.in_force == []


async def test_the_state_is_not_told_under_another_name() -> None:
    async with served() as (server, _):
        assert (await _control(server, "GET", "state", headers={"Host": "evil.example"}))[0] == 403
        assert (await _control(server, "DELETE", "faults", headers={"Host": "evil.example"}))[0] == 403
