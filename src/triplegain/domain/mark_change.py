"""How a session's market stood, as rows that a commit stores beside the step: no part of its record, and small."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class MarkChange(msgspec.Struct, frozen=True):
    """Rows to `put` and keys that are `gone`; `is_first`: whatever is stored of before goes. Nobody but the session
    reads them."""

    put: Mapping[str, bytes]
    gone: tuple[str, ...]
    is_first: bool
