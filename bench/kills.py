"""Kill the database under a session, again and again, while orders come in: how soon it goes on, and what was told.

    python bench/kills.py --kills 300 --seed 1

Prints one line of JSON: seconds from each kill to the first order that was placed after it, by victim; how often each
answer was given; how many times away the session's alerts tell of. Ends with an error where an answer does not agree
with the rows, the books are not exact, or the session did not go on by itself.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.app.database_kills import Victim, check, prepared, under_blows

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300, help="default 300")
    parser.add_argument("--seed", type=int, default=1, help="of victims, moments and orders (default 1)")
    return parser.parse_args()


def figures(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "kills": len(ordered),
        "p50": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[int(len(ordered) * 0.99)], 2),
        "max": round(ordered[-1], 2),
    }


def main() -> None:
    options = arguments()
    victims = random.Random(options.seed).choices(list(Victim), k=options.kills)
    with tempfile.TemporaryDirectory() as folder:
        home = prepared(Path(folder))
        with EmbeddedCluster(cluster_folder(home.path)):
            toll = under_blows(home, victims, options.seed)
            alerts = check(home, toll)
    shown = {
        "seconds": {victim: figures(seconds) for victim, seconds in toll.seconds.items()},
        "orders": len(toll.told),
        "answers": toll.answers,
        "told_away": sum(told.count(" to ") for told in alerts),
    }
    print(json.dumps(shown))


if __name__ == "__main__":
    main()
