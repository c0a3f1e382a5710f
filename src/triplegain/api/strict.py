"""What a request may not leave to whoever reads it: a name that stands twice, and text that is not UTF-8.

Another program before us may take the first of two values where we would take the last.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Scope

from triplegain.api.routes import Route
from triplegain.domain.refusals import Code, RefusedError


def check_head(scope: Scope) -> None:
    """Raises RefusedError 400 for a body whose end is said in two ways."""
    names = {name for name, _ in scope["headers"]}
    if {b"content-length", b"transfer-encoding"} <= names:
        raise RefusedError(Code.UNREADABLE, "send Content-Length or Transfer-Encoding, not both")


def check_query(scope: Scope, route: Route) -> None:
    """Raises RefusedError 422 for a parameter that the route does not have, or that stands twice and may not."""
    given = Counter(name for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    wrong = {name: "there is no such parameter" for name in given if name not in route.query}
    wrong |= {name: "stands twice" for name, count in given.items() if count > 1 and not route.query.get(name, True)}
    _refuse(wrong)


def check_body(scope: Scope, body: bytes) -> None:
    """Raises RefusedError 400 for what is not UTF-8, 422 for a key that stands twice in one object.

    Whatever else is wrong with the JSON says who reads it.
    """
    if not body or "json" not in Headers(scope=scope).get("content-type", "").lower():
        return
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or text.startswith("\ufeff"):
        raise RefusedError(Code.UNREADABLE, "the body must be JSON in UTF-8, without a mark at its beginning")
    twice: dict[str, str] = {}

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counted = Counter(name for name, _ in pairs)
            twice.update({name: "stands twice" for name, count in counted.items() if count > 1})
        return found

    try:
        json.loads(text, object_pairs_hook=read)
    except RecursionError:
        raise RefusedError(Code.INVALID_REQUEST, "the body is nested too deeply") from None
    except ValueError:
        return
    _refuse(twice)


def _refuse(wrong: dict[str, str]) -> None:
    if wrong:
        errors = [{"field": name[:64], "message": message} for name, message in list(wrong.items())[:10]]
        words = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
        raise RefusedError(Code.INVALID_REQUEST, words, {"errors": errors})
