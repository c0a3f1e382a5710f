"""One message to one of the operator's places, in a process of its own: whatever answers there can neither fill the
memory of a session nor hold it up.

`python -m triplegain.app.operation.message` reads the message as JSON from standard input; exit code 0: delivered.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys

import msgspec

#: What a delivery may take. It ends by itself then, also where the session has ended meanwhile.
DEADLINE_S = 30
_MEMORY_BYTES = 1 << 30


class Message(msgspec.Struct, frozen=True):
    """`url` is an apprise URL, which may be a password: it is in no command line."""

    url: str
    title: str
    body: str


def deliver(message: Message, deadline_s: float = DEADLINE_S) -> bool:
    """Whether it has arrived, as far as the place tells in time. Blocking."""
    command = [sys.executable, "-P", "-m", __name__]
    try:
        # A session of its own: Ctrl-C in the terminal is not meant for it.
        finished = subprocess.run(
            command,
            input=msgspec.json.encode(message),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=deadline_s,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return finished.returncode == 0


def main() -> int:
    import resource
    import signal

    signal.alarm(DEADLINE_S)
    # Not every system can bound it.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    message = msgspec.json.decode(sys.stdin.buffer.read(), type=Message)
    import apprise

    service = apprise.Apprise.instantiate(message.url, suppress_exceptions=True)
    return int(service is None or not service.notify(title=message.title, body=message.body))


if __name__ == "__main__":
    sys.exit(main())
