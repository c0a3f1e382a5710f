"""The running system, spoken to over its HTTP API at the owner's socket: no port, and no key that could be shown to
somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import quote

import typer
from rich.console import RenderableType

from triplegain.api.address import SESSION_HEADER, find_running, running_folder
from triplegain.api.owner_socket import reachable, socket_of
from triplegain.cli.tables import Column, print_json, table_of
from triplegain.cli.terminal import Terminal
from triplegain.config.loader import home_dir
from triplegain.domain.errors import TripleGainError
from triplegain.domain.outside import tame_lines
from triplegain.domain.refusals import Code, RefusedError

if TYPE_CHECKING:
    import httpx

_Found = TypeVar("_Found")

JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
OneLineOption = Annotated[bool, typer.Option("--json", help="end with one line of JSON, and nothing else on stdout")]
SessionOption = Annotated[
    str | None, typer.Option("--session", help="The running session, where there are several.", show_default=False)
]
StoredSessionOption = Annotated[str | None, typer.Option("--session", help="Its id; without one the latest session.")]
#: Longer than a command may take at the other end.
_TIMEOUT_S = 60.0
_ATTEMPTS = 3


class ApiUnreachableError(TripleGainError):
    """The system does not answer, or its answer did not arrive."""

    exit_code = 8


class ApiClient:
    """Requests to one running session; answers are decoded JSON. Raises RefusedError and ApiUnreachableError."""

    def __init__(self, connection: httpx.Client, session: str) -> None:
        self._connection = connection
        self.session = session

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self._ask("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What is None in the body is left out."""
        return self._ask("POST", path, json=body and {name: value for name, value in body.items() if value is not None})

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._ask("PATCH", path, json=body)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def place(self, order: Mapping[str, Any]) -> Any:
        """Send an order. Where the answer got lost it is asked for again: the client order id makes that safe."""
        lost = False
        for _ in range(_ATTEMPTS):
            try:
                return self.post("/paper/trade", order)
            except _AnswerLostError:
                lost = True
            except (ApiUnreachableError, RefusedError) as error:
                # What the first request did stays unknown where the second found nobody.
                if not (lost and error.code in (ApiUnreachableError.code, Code.STOPPED, Code.HALTED, Code.NOT_READY)):
                    raise
                break
        name = order["client_order_id"]
        raise _AnswerLostError(
            f"no answer about order {name}: the same command with --id {name} tells, and never places it twice"
        )

    def pages(self, path: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """All items of a list."""
        items: list[dict[str, Any]] = []
        after: dict[str, Any] = {}
        while True:
            page = self.get(path, {"limit": 1000, **(params or {}), **after})
            items += page["items"]
            if page["next"] is None:
                return items
            after = {"after": page["next"]}

    def _ask(self, method: str, path: str, **content: Any) -> Any:
        import httpx

        try:
            response = self._connection.request(method, f"/api/v1{path}", **content)
            answer = response.json()
        except httpx.ConnectError as error:
            raise ApiUnreachableError(
                f"session {self.session} does not answer at its socket ({error}): is it still running?"
            ) from None
        except (httpx.TransportError, ValueError) as error:
            if method == "GET":
                raise ApiUnreachableError(
                    f"session {self.session} did not answer ({type(error).__name__}): nothing was done, try again"
                ) from None
            raise _AnswerLostError(
                f"the answer of session {self.session} did not arrive ({type(error).__name__}); the command "
                "may have been carried out: `order list` and `position list` show how things stand"
            ) from None
        if response.is_success and "error_code" not in answer:
            return answer
        unlisted = Code.REFUSED if response.is_client_error else Code.INTERNAL_ERROR
        code = Code.of(answer["error_code"]) or unlisted
        raise RefusedError(code, answer["error_message"], answer["details"])


class _AnswerLostError(ApiUnreachableError):
    """The request was sent; what became of it is not known."""

    code = Code.OUTCOME_UNKNOWN
    exit_code = Code.OUTCOME_UNKNOWN.exit_code


def tell(
    as_json: bool,
    found: _Found,
    view: Callable[[_Found], RenderableType],
    as_told: Callable[[_Found], object] = lambda found: found,
) -> None:
    """What a command found: as JSON, as it is or `as_told`, or for eyes.

    Words are printed as they are, never wrapped or coloured.
    """
    if as_json:
        print_json(as_told(found))
    elif isinstance(shown := view(found), str):
        print(tame_lines(shown))
    else:
        Terminal().print(shown)


def tell_rows(
    as_json: bool, api: ApiClient, noun: str, found: Sequence[Mapping[str, Any]], everything: bool, *columns: Column
) -> None:
    """All `found` of the session's orders or positions, or the open ones."""
    what = noun if everything else f"open {noun}"
    title, none = f"PAPER  {what.capitalize()} of {api.session}", f"PAPER  no {what} in {api.session}"
    told = {"mode": "paper", "session": api.session, noun: found}
    tell(as_json, found, lambda rows: table_of(rows, *columns, title=title) if rows else none, lambda _: told)


def part(name: str) -> str:
    """A name as a part of a path, whatever it is: `..` is no way up."""
    return quote(name, safe="").replace(".", "%2E")


@contextmanager
def running_system(session: str | None, *, all_of_process: bool = False) -> Iterator[ApiClient]:
    """The running session, or the one of this name; with `all_of_process` and no name whatever runs in the process.
    Raises NotRunningError and RunningFolderError."""
    import ssl

    import httpx

    home = home_dir(create=False)
    running = find_running(home, session, all_of_process=all_of_process)
    headers = {} if all_of_process and session is None else {SESSION_HEADER: running.session}
    with reachable(socket_of(running_folder(home), running.pid)) as name:
        # No TLS goes through a socket file; what httpx makes without being asked reads every authority first.
        transport = httpx.HTTPTransport(uds=name, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        with httpx.Client(
            base_url="http://localhost", headers=headers, timeout=_TIMEOUT_S, transport=transport, trust_env=False
        ) as connection:
            yield ApiClient(connection, running.session)
