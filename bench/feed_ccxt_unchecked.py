"""ccxt.pro as it comes, its checksum check off: `feed_ccxt_unchecked.py FRAMES SYMBOL DEPTH LAPS`."""
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from feed_ccxt import main

if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), checked=False))
