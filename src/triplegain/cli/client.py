"""The running system, spoken to over its HTTP API on loopback with the admin key of TRIPLEGAIN_HOME."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triplegain.domain.errors import TripleGainError

if TYPE_CHECKING:
    import httpx

JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
SessionOption = Annotated[
    str | None, typer.Option("--session", help="The running session, where there are several.", show_default=False)
]
#: Longer than a command may take at the other end.
_TIMEOUT_S = 60.0
_ATTEMPTS = 3


class ApiRefusedError(TripleGainError):
    """The system answered no. `code` is the API's: Kraken's where the exchange refused."""

    exit_code = 8

    def __init__(self, code: str, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.details = details
        if code == "invalid_request":
            self.exit_code = 2


class ApiUnreachableError(TripleGainError):
    """The system does not answer, or its answer did not arrive."""

    exit_code = 8


class ApiClient:
    """Requests to one running session; answers are decoded JSON. Raises ApiRefusedError and ApiUnreachableError."""

    def __init__(self, connection: httpx.Client, session: str) -> None:
        self._connection = connection
        self.session = session

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self._ask("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._ask("POST", path, json=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._ask("PATCH", path, json=body)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def place(self, order: Mapping[str, Any]) -> Any:
        """Send an order. Where the answer got lost it is asked for again: the client order id makes that safe."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._ask("POST", "/paper/trade", json=order)
            except _AnswerLostError:
                if attempt == _ATTEMPTS:
                    break
        name = order["client_order_id"]
        raise ApiUnreachableError(
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
                f"session {self.session} does not answer at {self._connection.base_url} ({error}): is it still running?"
            ) from None
        except (httpx.TransportError, ValueError) as error:
            raise _AnswerLostError(
                f"the answer of session {self.session} did not arrive ({type(error).__name__}); the command "
                "may have been carried out: `order list` and `position list` show how things stand"
            ) from None
        if response.is_success:
            return answer
        raise ApiRefusedError(answer["error_code"], answer["error_message"], answer["details"])


class _AnswerLostError(ApiUnreachableError):
    """The request was sent; what became of it is not known."""

    code = "outcome_unknown"


@contextmanager
def running_system(session: str | None) -> Iterator[ApiClient]:
    """The running session, or the one of this name. Raises NotRunningError and KeyFileError."""
    import httpx

    from triplegain.api.address import find_running
    from triplegain.api.keys import read_admin_key
    from triplegain.config.home import home_dir

    home = home_dir(create=False)
    running = find_running(home, session)
    headers = {"Authorization": f"Bearer {read_admin_key(home)}"}
    # trust_env: a proxy of the environment must never see the key.
    with httpx.Client(base_url=running.url, headers=headers, timeout=_TIMEOUT_S, trust_env=False) as connection:
        yield ApiClient(connection, running.session)
