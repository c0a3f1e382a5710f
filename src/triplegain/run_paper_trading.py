"""`python -m triplegain.run_paper_trading`: the same as `triplegain paper`."""

from __future__ import annotations

import sys

from triplegain.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["paper", *sys.argv[1:]]))
