"""`notify`: the operator's mail, chat or hook."""

from __future__ import annotations

import typer

from triplegain.cli.client import JsonOption, tell
from triplegain.config import load_config
from triplegain.domain.errors import TripleGainError


class NotConfiguredError(TripleGainError):
    """Nobody is to be notified."""

    exit_code = 3


def test(as_json: JsonOption = False) -> None:
    """Send a message to each place that is configured; exit code 1 if it did not arrive somewhere."""
    # It loads a service's worth of modules.
    from triplegain.app.operation.notifications import sender

    urls = load_config().notifications.urls.get_secret_value()
    if not urls.strip():
        raise NotConfiguredError(
            "nobody is to be notified: put the apprise URLs of your services into TRIPLEGAIN_NOTIFY_URLS, in .env"
        )
    found = sender(urls)("TripleGain paper", "This is a test: notifications arrive here.")
    told = "\n".join(f"place {each.place}: {'arrived' if each.delivered else 'did NOT arrive'}" for each in found)
    tell(as_json, {"places": found}, lambda _: told)
    raise typer.Exit(int(not all(each.delivered for each in found)))
