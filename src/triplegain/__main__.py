"""`python -m triplegain`: the command line."""

from __future__ import annotations

from triplegain.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
