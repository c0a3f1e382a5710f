"""`captures`: what recorded markets there are, and whether they hold together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triplegain.cli.client import JsonOption

if TYPE_CHECKING:
    from triplegain.market.captures import CaptureSummary

CAPTURES_VARIABLE = "TRIPLEGAIN_CAPTURES"
_DAMAGED = 6


def register(app: typer.Typer) -> None:
    """Add the group `captures`."""
    group = typer.Typer(name="captures", help="Recorded markets: list, verify.", no_args_is_help=True)
    group.command("list")(list_all)
    group.command("verify")(verify)
    app.add_typer(group)


def captures_folder() -> Path | None:
    """TRIPLEGAIN_CAPTURES, else the folder of recorded markets that lies beside the checkout; None if neither is."""
    from triplegain import resources

    named = os.environ.get(CAPTURES_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser()
    checkout = resources.checkout_dir()
    beside = checkout.parent / "shared" / "data" if checkout else None
    return beside if beside is not None and beside.is_dir() else None


def list_all(
    root: Annotated[
        Path | None, typer.Argument(help="A file or folder; without one TRIPLEGAIN_CAPTURES, else this folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Every recorded market in a folder and below it."""
    from rich.console import Console

    from triplegain.cli.tables import print_json
    from triplegain.market.captures import list_captures

    place = root or captures_folder() or Path()
    found = list_captures(place)
    if as_json:
        print_json(found)
    elif found:
        Console().print(_table(place, found))
    else:
        print(f"There is no recorded market in {place}; docs/captures.md lists the formats.")


def verify(
    path: Annotated[Path, typer.Argument(help="A capture file, or a folder of them.")], as_json: JsonOption = False
) -> None:
    """Read it to its end: checksums, sequence numbers, candles. Exit code 6 if something is wrong."""
    from rich.console import Console

    from triplegain.cli.tables import GAIN, LOSS, WARNING, print_json
    from triplegain.market.captures import verify_capture

    found = verify_capture(path)
    if as_json:
        print_json({"updates": found.updates, "mismatches": found.mismatches, "gaps": found.gaps})
    else:
        console = Console(highlight=False)
        console.print(f"{path}: {found.updates:,} updates checked")
        console.print(f"  mismatches {found.mismatches:,}", style=LOSS if found.mismatches else GAIN)
        console.print(f"  gaps       {found.gaps:,}", style=WARNING if found.gaps else GAIN)
    if found.mismatches:
        raise typer.Exit(_DAMAGED)


def _table(root: Path, found: list[CaptureSummary]) -> object:
    from rich.text import Text

    from triplegain.cli.tables import LOSS, duration, listing, moment

    table = listing(
        "Capture", "Pair", "Holds", "From", "Length", "Rows", right=("Rows",), whole=("Pair", "Holds", "From", "Length")
    )
    for each in found:
        name = str(each.path.relative_to(root)) if root.is_dir() else str(each.path)
        if each.problem:
            table.add_row(name, "", Text(each.problem, style=LOSS), "", "", "")
            continue
        holds = each.depth.value if each.depth else ""
        if each.candle_length_ns:
            holds = f"candles {duration(each.candle_length_ns)}"
        length = duration((each.end_ns - each.start_ns) // 10**9 * 10**9)
        table.add_row(name, each.symbol, holds, moment(each.start_ns)[:10], length, f"{each.rows:,}")
    return table
