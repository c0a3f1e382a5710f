"""Strikes every part of the system in every phase of its life under every user, and says what did not come back.

    python bench/deaths.py [--only WORD] [--seed N]

`--only` takes cells whose name has the word, such as `postmaster` or `recovery-root`. Cells that need root are skipped
elsewhere. The exit code is the number of cells that did not come back.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.crash.cells import all_cells
from tests.crash.deaths import look_at


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cells whose name has this word")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    # Who starts this in the background may have told it to ignore what the cells are stopped by.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cells = [cell for cell in all_cells() if asked.only in str(cell)]
    failed = skipped = 0
    for cell in cells:
        began = time.monotonic()
        if why := cell.why_not:
            skipped += 1
            print(f"skipped  {cell}: {why}", flush=True)
            continue
        try:
            look_at(cell, random.Random(f"{asked.seed} {cell}"))
        # At the boundary of a cell: the others are looked at all the same.
        except Exception as error:
            failed += 1
            notes = " ".join(getattr(error, "__notes__", ()))
            print(f"FAILED   {cell}: {type(error).__name__}: {error} {notes}", flush=True)
        else:
            print(f"came back {cell} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"{len(cells) - failed - skipped} of {len(cells)} came back, {failed} did not, {skipped} skipped")
    return failed


if __name__ == "__main__":
    sys.exit(main())
