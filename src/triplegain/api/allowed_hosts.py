"""Under which names of this machine it answers. A page of somebody else's reaches us under its own name, or says so."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from triplegain.domain.refusals import Code, RefusedError

_KEY = "allowed_hosts in api.yaml"


class AllowedHosts:
    """`names` without ports: host names and addresses."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(_plain(name) for name in names)

    def check(self, headers: Headers) -> None:
        """Raises RefusedError: 421 for a Host, 403 for an Origin or a page that is not of the allowed ones."""
        host = _name(f"//{headers.get('host', '')}")
        if host not in self._names:
            raise RefusedError(Code.MISDIRECTED, f"this is not {host or 'named'}: Host may be one of {_KEY}")
        origin = headers.get("origin")
        if origin is not None and _name(origin) not in self._names:
            raise RefusedError(Code.FORBIDDEN, f"pages of other sites may not ask: Origin may be one of {_KEY}")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise RefusedError(Code.FORBIDDEN, "pages of other sites may not ask")


def _name(url: str) -> str:
    """The host of a URL; empty where there is none."""
    try:
        return _plain(urlsplit(url).hostname or "")
    except ValueError:
        return ""


def _plain(name: str) -> str:
    name = name.strip().casefold().removeprefix("[").removesuffix("]").removesuffix(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name
