"""Lines of a feed as it might have come: made-up ones, and Kraken's recorded books."""

from __future__ import annotations

from pathlib import Path

import msgspec

from triplegain.domain.clock import SECOND_NS, iso
from triplegain.venues.kraken.feed_line import DownLine, FeedLine, FrameLine, OverrunLine, ReplyLine, TickLine
from triplegain.venues.kraken.wire.rest import AssetPair, write_pairs

#: 2026-01-01 00:30 UTC: half an hour before a new file is due.
START_NS = 1_767_227_400 * SECOND_NS
PAIRS_PATH = "/0/public/AssetPairs?pair=XBTUSD,MINAGBP"


class _Recorded(msgspec.Struct):
    rx_ns: int
    frame: msgspec.Raw
    dir: str = "rx"


_BTC = AssetPair("XBTUSD", "XXBT", "ZUSD", 1, 8, wsname="XBT/USD", tick_size="0.1", ordermin="0.00005", costmin="0.5")
_MINA = AssetPair("MINAGBP", "MINA", "ZGBP", 4, 8, wsname="MINA/GBP", tick_size="0.0001", ordermin="10", costmin="0.5")


def asset_pairs(received_at_ns: int = START_NS) -> ReplyLine:
    """The first line of every run."""
    return ReplyLine(received_at_ns, PAIRS_PATH, write_pairs({"XXBTZUSD": _BTC, "MINAGBP": _MINA}))


def update_frame(number: int, exchange_ns: int) -> bytes:
    return (
        b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":%d.5,"qty":0.%08d}],'
        b'"asks":[],"checksum":%d,"timestamp":"%b"}]}'
    ) % (60000 + number % 90, number, 2_855_135_483 - number * 7_919, iso(exchange_ns).encode())


def trade_frame(number: int, exchange_ns: int) -> bytes:
    return (
        b'{"channel":"trade","type":"update","data":[{"symbol":"MINA/GBP","side":"buy","price":0.1234,"qty":1.00000000,'
        b'"ord_type":"limit","trade_id":%d,"timestamp":"%b"}]}'
    ) % (number, iso(exchange_ns).encode())


def some_lines(count: int, start_ns: int = START_NS, step_ns: int = SECOND_NS // 10) -> list[FeedLine]:
    """A run of every kind of line, garbage among them; frames are 40 ms older than their receipt."""
    lines: list[FeedLine] = [asset_pairs(start_ns)]
    for number in range(1, count):
        received = start_ns + number * step_ns
        exchange = received - 40_000_000
        match number % 10:
            case 3:
                lines.append(FrameLine(received, 0, trade_frame(number, exchange)))
            case 5:
                lines.append(FrameLine(received, 1, b'{"channel":"heartbeat"}'))
            case 7 if number % 70 == 7:
                lines.append(FrameLine(received, 0, b"\x00\xff no JSON \n" * (number % 5)))
            case 8 if number % 40 == 8:
                lines.append(DownLine(received, 1, "connection reset by peer"))
            case 8 if number % 40 == 18:
                lines.append(OverrunLine(received, "BTC/USD", number))
            case 9:
                lines.append(TickLine(received))
            case _:
                lines.append(FrameLine(received, 0, update_frame(number, exchange)))
    return lines


def recorded_books(captures: Path) -> list[FeedLine]:
    """Both recorded Kraken books as if one feed had told them: on two connections, BTC/USD first."""
    document = msgspec.json.decode(
        (captures / "kraken_wsv2_btcusd_book" / "orderbook-v2.json").read_bytes(), type=dict[str, msgspec.Raw]
    )
    updates = msgspec.json.decode(document["updates"], type=list[msgspec.Raw])
    lines: list[FeedLine] = [asset_pairs()]
    for number, frame in enumerate((document["init"], *updates), 1):
        lines.append(FrameLine(START_NS + number * SECOND_NS // 10, 0, b"".join(bytes(frame).split())))
    (file,) = (captures / "kraken_wsv2_minagbp_book").glob("*.ndjson")
    start_ns = START_NS + 3600 * SECOND_NS
    for text in file.read_bytes().splitlines()[1:]:
        line = msgspec.json.decode(text, type=_Recorded)
        if line.dir == "rx":
            lines.append(FrameLine(start_ns + line.rx_ns % (3600 * SECOND_NS), 1, bytes(line.frame)))
    return lines
