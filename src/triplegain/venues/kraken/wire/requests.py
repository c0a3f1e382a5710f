"""WebSocket v2 requests: what the feed sends and the gateway reads."""

from __future__ import annotations

from typing import Any

import msgspec


class Params(msgspec.Struct, omit_defaults=True):
    """Parameters of subscribe and unsubscribe; `None` leaves the exchange's default."""

    channel: str = ""
    symbol: list[str] | None = None
    depth: int | None = None
    snapshot: bool | None = None
    interval: int | None = None
    event_trigger: str | None = None
    token: str | None = None


class Request(msgspec.Struct, omit_defaults=True):
    """`method` is subscribe, unsubscribe, ping, or one of the trading requests; empty `params` were not sent."""

    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"")
    req_id: int | None = None


read_request = msgspec.json.Decoder(Request).decode
read_params = msgspec.json.Decoder(Params).decode
_encoder = msgspec.json.Encoder()


def write_request(method: str, params: Params | None = None, req_id: int | None = None) -> bytes:
    """One request as it goes on the wire."""
    body: dict[str, Any] = {"method": method}
    if params is not None:
        body["params"] = params
    if req_id is not None:
        body["req_id"] = req_id
    return _encoder.encode(body)
