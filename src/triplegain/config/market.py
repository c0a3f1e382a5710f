"""`market.yaml`: which instruments, where Kraken is, what is recorded and what is kept."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum

from pydantic import Field, field_validator

from triplegain.config.values import AtLeastOne, Count, Positive, Section, Symbol


class BookDepth(IntEnum):
    """Levels a side that Kraken offers."""

    TEN = 10
    TWENTY_FIVE = 25
    HUNDRED = 100
    FIVE_HUNDRED = 500
    THOUSAND = 1000


class Kraken(Section):
    """The connection to the exchange's public market data."""

    rest_url: str = Field(
        "https://api.kraken.com",
        description="where its REST interface is",
        json_schema_extra={"template": "${TRIPLEGAIN_KRAKEN_REST_URL:-https://api.kraken.com}"},
    )
    websocket_url: str = Field(
        "wss://ws.kraken.com/v2",
        description="where its public WebSocket v2 is",
        json_schema_extra={"template": "${TRIPLEGAIN_KRAKEN_WS_URL:-wss://ws.kraken.com/v2}"},
    )
    book_depth: BookDepth = Field(
        BookDepth.HUNDRED, description="levels a side: 10, 25, 100, 500 or 1000; an order fills within what is seen"
    )
    symbols_per_connection: AtLeastOne = Field(
        100, description="instruments on one connection, before another is opened"
    )
    answer_within_s: Positive = Field(Decimal(5), description="a connection or a request that takes longer has failed")
    stale_after_s: Positive = Field(
        Decimal(3), description="silence (Kraken's heartbeat comes every second) after which instruments are stale"
    )
    reconnect_after_s: Positive = Field(Decimal(5), description="silence after which a connection is given up")
    queue_lines_max: AtLeastOne = Field(
        20_000, description="messages that wait for the session at most; beyond it books are dropped and asked for anew"
    )

    @field_validator("rest_url", "websocket_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not url.startswith(
            ("https://", "wss://", "http://127.0.0.1", "ws://127.0.0.1", "http://[::1]", "ws://[::1]")
        ):
            raise ValueError("must be https:// or wss:// (unencrypted only on 127.0.0.1)")
        return url.rstrip("/")


class Recording(Section):
    """Recordings of live markets."""

    sessions: bool = Field(False, description="true: every live session records what it sees")
    rotate_mb: AtLeastOne = Field(64, description="a recording's file is closed at this compressed size")
    disk_mb_max: AtLeastOne = Field(10_240, description="all recordings together; the oldest closed files go first")


class History(Section):
    """Stored candles and trades."""

    trade_retention_days: Count = Field(365, description="stored trades older than this are removed; 0: never")
    requests_per_s: Positive = Field(
        Decimal("0.5"), description="REST requests a second while loading (Kraken allows about one)"
    )


class Market(Section):
    """Which markets are watched, and how."""

    instruments: tuple[Symbol, ...] = Field(
        ("BTC/USDT", "XRP/USDT", "XRP/BTC"), description="traded on the live feed", min_length=1
    )
    kraken: Kraken = Kraken()
    recording: Recording = Recording()
    history: History = History()
