"""What a provider's response may be: as it was sent, and of few values, so that reading it takes next to no time."""

from __future__ import annotations

import re
from collections.abc import Mapping

from triplegain.domain.errors import TripleGainError
from triplegain.domain.outside import tame

#: Headers of a request: a compressed answer could be small on the wire and endless in memory.
IDENTITY = {"accept-encoding": "identity"}
#: An answer after three searches, with all that was found and quoted, has fewer.
_VALUES_MAX = 4_000
#: A text of JSON; one that never ends goes to the end.
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)


class PackedResponseError(TripleGainError):
    """The server compressed its answer, which nobody asked it to do: it is not unpacked."""


class OversizedResponseError(TripleGainError):
    """The server sent more than an answer can be."""


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises PackedResponseError."""
    encoding = headers.get("content-encoding", "").strip().casefold()
    if encoding not in ("", "identity"):
        raise PackedResponseError(f"packs what nobody asked it to ({tame(encoding, 40)})")


def check_length(length: int, bytes_max: int) -> None:
    """Raises OversizedResponseError."""
    if length > bytes_max:
        raise OversizedResponseError(f"sent no end: more than {bytes_max:,} bytes")


def check_values(body: bytes) -> None:
    """Raises OversizedResponseError for JSON of more lists, objects and members than any answer has.

    A megabyte of empty objects would keep whoever makes something of each of them busy for seconds.
    """
    if body.count(b",") + body.count(b"{") + body.count(b"[") <= _VALUES_MAX:
        return
    bare = _TEXT.sub(b"", body)
    if bare.count(b",") + bare.count(b"{") + bare.count(b"[") > _VALUES_MAX:
        raise OversizedResponseError(f"sent more than {_VALUES_MAX:,} values")
