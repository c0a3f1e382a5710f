"""`python -m triplegain`: the command line."""

from __future__ import annotations

import signal
import sys

from triplegain.app.interrupts import SIGNALS, Interrupted, interrupt_on_signals


def start(*first: str) -> int:
    """Run the command that was typed; `first` are words to be put before it. The exit code."""
    try:
        interrupt_on_signals()
        from triplegain.cli import main

        return main([*first, *sys.argv[1:]])
    except Interrupted as interrupted:
        return interrupted.exit_code
    finally:
        # Everything is let go of: from here on a signal ends the process at once.
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    raise SystemExit(start())
