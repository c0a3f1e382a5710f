"""Messages to the operator's mail, chat or hook: from a thread of their own, so that nothing waits."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triplegain.app.operation.message import Message, deliver
from triplegain.app.operation.notices import Notice
from triplegain.config.operation import NotificationSettings
from triplegain.domain.clock import HOUR_NS, Clock
from triplegain.domain.errors import TripleGainError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOG = logging.getLogger(__name__)
#: Notices that wait to be sent; what comes when they are full is counted.
_WAITING_MAX = 100
#: Seconds that a stop waits for messages that are under way.
_FAREWELL_S = 5.0
#: Lines of one message.
_LINES_MAX = 20

#: Sends one message; tells how each of the operator's places took it.
Send = Callable[[str, str], Sequence["Delivery"]]


class NotificationError(TripleGainError):
    """A place that cannot be notified. The words never hold its address: it may be a password."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Delivery:
    """`place` is the kind of service and its number among those that are configured, never its address."""

    place: str
    delivered: bool


def sender(urls: str) -> Send:
    """Sends to each of the apprise URLs in `urls`. Raises NotificationError for one that apprise does not know."""
    # Loaded where somebody wants it: it brings a service's worth of modules.
    import apprise

    # What it logs may hold addresses, and says nothing that the outcome does not.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    services = apprise.NotificationManager()  # type: ignore[no-untyped-call]
    places: list[tuple[str, str]] = []
    for number, url in enumerate(urls.split(), 1):
        kind, addressed, _ = url.partition("://")
        # What apprise does not know may be a password in the wrong place: it is not repeated.
        known = bool(addressed) and kind.lower() in services
        if not known or apprise.Apprise.instantiate(url, suppress_exceptions=True) is None:
            shown = f" ({kind.lower()}://…)" if known else ""
            raise NotificationError(f"notification URL {number}{shown} is none that apprise knows or can use")
        places.append((f"{number} ({kind.lower()})", url))

    def send(title: str, body: str) -> list[Delivery]:
        return [Delivery(place, deliver(Message(url, title, body))) for place, url in places]

    return send


class Notifier:
    """Takes notices at once and sends them in its thread, those that come together in one message.

    `per_hour` messages may go; what comes beyond is counted and told with the next.
    """

    def __init__(self, send: Send, settings: NotificationSettings, clock: Clock, title: str) -> None:
        self._send = send
        self._about = frozenset(settings.about)
        self._per_hour = settings.per_hour
        self._clock = clock
        self._title = title
        self._waiting: queue.Queue[str | None] = queue.Queue(_WAITING_MAX)
        self._left_out = 0
        self._counting = threading.Lock()
        self._sent_ns: list[int] = []
        self._failing: frozenset[str] = frozenset()
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self, notice: Notice) -> None:
        """Never waits."""
        if notice.about not in self._about:
            return
        try:
            self._waiting.put_nowait(notice.words)
        except queue.Full:
            self._leave_out(1)

    def stop(self) -> None:
        """What waits is sent, for a few seconds at most."""
        try:
            self._waiting.put(None, timeout=_FAREWELL_S)
        except queue.Full:
            return
        self._thread.join(_FAREWELL_S)

    def _run(self) -> None:
        going_on = True
        while going_on:
            lines = [self._waiting.get()]
            while len(lines) < _LINES_MAX and lines[-1] is not None:
                try:
                    lines.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            going_on = lines[-1] is not None
            if words := [line for line in lines if line is not None]:
                self._deliver(words)

    def _deliver(self, lines: list[str]) -> None:
        now_ns = self._clock.now_ns()
        self._sent_ns = [sent_ns for sent_ns in self._sent_ns if now_ns - HOUR_NS < sent_ns <= now_ns]
        if len(self._sent_ns) >= self._per_hour:
            self._leave_out(len(lines))
            return
        if left_out := self._take_left_out():
            lines.append(f"and {left_out} more since the last message: the log has them")
        self._sent_ns.append(now_ns)
        failed = frozenset(each.place for each in self._send(self._title, "\n".join(lines)) if not each.delivered)
        for place in sorted(failed - self._failing):
            _LOG.warning("notifications do not arrive at place %s", place)
        for place in sorted(self._failing - failed):
            _LOG.info("notifications arrive at place %s again", place)
        self._failing = failed

    def _leave_out(self, count: int) -> None:
        with self._counting:
            self._left_out += count

    def _take_left_out(self) -> int:
        with self._counting:
            left_out, self._left_out = self._left_out, 0
            return left_out


@contextmanager
def notifying(settings: NotificationSettings, clock: Clock, title: str) -> Iterator[Callable[[Notice], None]]:
    """While a session runs: whatever is called with a notice, which does nothing where nobody wants to be told.

    Raises NotificationError for a place that cannot be used.
    """
    urls = settings.urls.get_secret_value()
    if not urls.strip():
        yield lambda notice: None
        return
    notifier = Notifier(sender(urls), settings, clock, title)
    notifier.start()
    try:
        yield notifier.take
    finally:
        notifier.stop()
