"""How many small faults in the exchange and the ledger their tests notice.

    python -m bench.mutants --sample 100 --seed 1
    python -m bench.mutants --all | tee OUTPUT
    python -m bench.mutants --survivors OUTPUT      those that it has printed, again

A mutant is the program with one fault: a comparison, an operator, a constant or a condition changed, a statement left
out, an answer that is none. Killed is one with which a test fails, or takes ten times as long. Those that no test could
kill are explained in bench/mutation/explained.toml and not counted. Prints the others that survived, and ends with exit
code 1 where less than 90 % were killed, or where an explanation is out of date.

The same seed gives the same sample; a change of the program changes little of it.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from pathlib import Path

from bench.mutation.explained import FILE, Place, printed_survivors, reasons, stale
from bench.mutation.finding import Mutant, all_mutants
from bench.mutation.running import Judged, Outcome, judge

WANTED = 0.9


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    amount = parser.add_mutually_exclusive_group(required=True)
    amount.add_argument("--all", action="store_true", help="hours")
    amount.add_argument("--sample", type=int, metavar="N", help="so many of them")
    amount.add_argument("--survivors", type=Path, metavar="OUTPUT", help="those that an earlier run has printed")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default 1)")
    parser.add_argument("--jobs", type=int, default=2, help="so many at a time (default 2)")
    parser.add_argument("--only", default="", metavar="WORDS", help="in files with this in their name, as ledger/")
    return parser.parse_args()


def sample(mutants: list[Mutant], number: int, seed: int) -> list[Mutant]:
    """Drawn by what they are, not by where they stand."""
    places = [Place.of(each) for each in mutants]
    drawn = sorted((hashlib.sha256(f"{seed} {place}".encode()).digest(), index) for index, place in enumerate(places))
    return [mutants[index] for index in sorted(index for _, index in drawn[:number])]


def chosen(mutants: list[Mutant], options: argparse.Namespace) -> list[Mutant]:
    if options.all:
        return mutants
    if options.survivors is None:
        return sample(mutants, options.sample, options.seed)
    survivors = set(printed_survivors(options.survivors.read_text()))
    return [each for each in mutants if Place.of(each) in survivors]


def main() -> int:
    options = arguments()
    everything = all_mutants()
    mutants = [each for each in everything if options.only in each.file]
    tried = chosen(mutants, options)
    explained = reasons(FILE.read_text())
    done: list[Judged] = []
    began = time.monotonic()

    def tell(judged: Judged) -> None:
        done.append(judged)
        if judged.outcome is Outcome.SURVIVED and Place.of(judged.mutant) not in explained:
            print(f"survived{judged.by}: {judged.mutant}", file=sys.__stdout__, flush=True)
        if len(done) % 50 == 0:
            print(f"{len(done)} of {len(tried)}, {time.monotonic() - began:.0f} s", file=sys.__stdout__, flush=True)

    judge(tried, options.jobs, tell)
    return report(done, len(mutants), explained, everything)


def report(done: list[Judged], of: int, explained: dict[Place, str], everything: list[Mutant]) -> int:
    survivors = [each.mutant for each in done if each.outcome is Outcome.SURVIVED]
    killed = [each.mutant for each in done if each.outcome is not Outcome.SURVIVED]
    endless = sum(each.outcome is Outcome.ENDLESS for each in done)
    excused = sum(Place.of(each) in explained for each in survivors)
    counted = len(done) - excused
    share = len(killed) / counted if counted else 1.0
    outdated = stale(explained, everything, killed)
    for place in outdated:
        print(f"explained, and no survivor any more: {place}")
    print(
        f"{of} mutants, {len(done)} tried: {len(killed)} killed ({endless} of them endless), {excused} survived for a"
        f" reason given, {len(survivors) - excused} survived; killed {share:.1%} of {counted}, wanted {WANTED:.0%}"
    )
    return int(share < WANTED or bool(outdated))


if __name__ == "__main__":
    sys.exit(main())
