"""What a replay of a recorded market costs its user: CPU of the whole command, the first time and again.

    python bench/capture.py CAPTURE [--repeat 3]

`./tg paper --feed replay:CAPTURE --speed max`, database included, in a home whose database is there but that has never
seen the capture, then twice more: what the first run keeps of a capture, the others find. Messages a second are those
of the capture by the CPU seconds without start-up, which is the same command on a second of the demo market.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import median

from whole_command import Cost, program_environment, run_whole

PROGRAM = Path(__file__).resolve().parent.parent / "tg"


def paper(home: Path, session: str, *words: str) -> Cost:
    command = [PROGRAM, "paper", "--speed", "max", "--json", "--session", session, *words]
    return run_whole(command, program_environment(home))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path)
    parser.add_argument("--duration", help="so much of it, as 4m (all)")
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    feed = ["--feed", f"replay:{asked.capture.resolve()}"] + (["--duration", asked.duration] if asked.duration else [])
    costs: dict[str, list[float]] = {"start-up": [], "first": [], "again": []}
    told = {}
    with tempfile.TemporaryDirectory(prefix="tg-") as scratch:
        fresh, home = Path(scratch, "fresh"), Path(scratch, "home")
        home.mkdir(mode=0o700)
        paper(home, "start", "--feed", "demo", "--duration", "1s")
        home.rename(fresh)
        for _ in range(asked.repeat):
            # With its owners and rights: the database is particular about them.
            subprocess.run(["cp", "-a", fresh, home], check=True)
            costs["start-up"].append(paper(home, "warm", "--feed", "demo", "--duration", "1s").cpu_s)
            first = paper(home, "first", *feed)
            costs["first"].append(first.cpu_s)
            costs["again"] += [paper(home, f"again-{number}", *feed).cpu_s for number in (1, 2)]
            told = json.loads(first.stdout)
            subprocess.run(["rm", "-rf", home], check=True)
    start_s = median(costs["start-up"])
    print(f"{told['events']:,} messages, {told['orders']} orders, {told['fills']} fills; medians of {asked.repeat}\n")
    print("| | CPU of the command, s | without start-up, s | messages a second in it |\n|---|---|---|---|")
    print(f"| start-up | {start_s:.2f} | | |")
    for name in ("first", "again"):
        whole_s = median(costs[name])
        print(f"| {name} | {whole_s:.2f} | {whole_s - start_s:.2f} | {told['events'] / (whole_s - start_s):,.0f} |")


if __name__ == "__main__":
    main()
