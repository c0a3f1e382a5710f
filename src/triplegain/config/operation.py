"""What the operator of a system wants to be told, and where: the log and notifications."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from triplegain.config.infrastructure import SECRET, Secret
from triplegain.domain.configured import key
from triplegain.domain.written import AT_LEAST_ONE, BOOLEAN, COUNT, SECONDS, choice, integer, listing


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class Subject(StrEnum):
    """What a notification may be about."""

    FILLS = "fills"
    STOPS = "stops"
    BREAKERS = "breakers"
    ALERTS = "alerts"
    FEED = "feed"
    BUDGET = "budget"
    DATABASE = "database"
    SESSION = "session"
    DAILY = "daily"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """One line per order, fill, decision, alert, halt and reconnection."""

    file: bool = key("file", True, BOOLEAN, "true: a file for each session in the folder `log` of TRIPLEGAIN_HOME")
    level: LogLevel = key("level", "info", choice(LogLevel), "debug, info, warning or error: the least that is written")
    format: LogFormat = key("format", "text", choice(LogFormat), "text or json: a line of words, or an object")
    file_bytes_max: int = key("megabytes", 10, integer(1_000_000, ge=1), "size at which a file is put aside")
    kept: int = key("kept", 5, COUNT, "files put aside that are kept; the oldest is removed")
    terminal: bool = key(
        "terminal",
        True,
        BOOLEAN,
        "true: without a terminal `paper` prints these lines, too",
    )


@dataclass(frozen=True, slots=True)
class NotificationSettings:
    """Messages to the operator, through apprise: mail, chat, push, a hook of one's own."""

    urls: Secret = key(
        "urls", "", SECRET,
        "apprise URLs with blanks between them (`mailto://…`, `tgram://…`, `json://…`); empty: nobody is told",
        template="${TRIPLEGAIN_NOTIFY_URLS:-}",
    )  # fmt: skip
    about: tuple[Subject, ...] = key(
        "about", tuple(Subject), listing(choice(Subject)),
        "what is told: fills, stops, breakers, alerts, feed, budget, database, session, daily",
    )  # fmt: skip
    per_hour: int = key(
        "per_hour", 30, AT_LEAST_ONE, "messages an hour; what is more is counted, and told with the next that may go"
    )
    feed_lost_after_ns: int = key(
        "feed_lost_after_s", 60, SECONDS, "seconds for which a market must be without its feed before that is told"
    )
