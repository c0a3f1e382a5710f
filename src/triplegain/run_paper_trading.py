"""`python -m triplegain.run_paper_trading`: the same as `triplegain paper`."""

from __future__ import annotations

from triplegain.__main__ import start

if __name__ == "__main__":
    raise SystemExit(start("paper"))
