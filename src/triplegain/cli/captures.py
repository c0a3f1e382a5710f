"""`captures`: what recorded markets there are, whether they hold together, and one of them traded on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from triplegain import resources
from triplegain.app.session_recording import recordings_dir
from triplegain.cli import paper
from triplegain.cli.client import JsonOption, OneLineOption
from triplegain.cli.tables import GAIN, LOSS, QUIET, RIGHT, WARNING, WHOLE, duration, moment, print_json, table_of
from triplegain.cli.terminal import Terminal
from triplegain.config import home_dir
from triplegain.domain.json_form import plain_json
from triplegain.feeds.captures.capture import VerifyReport
from triplegain.feeds.captures.replay import CaptureSummary, find_recording, list_captures, verify_capture
from triplegain.feeds.recording.recording import RecordingReport, verify_recording

CAPTURES_VARIABLE = "TRIPLEGAIN_CAPTURES"
_DAMAGED = 6


def captures_folder() -> Path | None:
    """TRIPLEGAIN_CAPTURES, else the folder of recorded markets that lies beside the checkout; None if neither is."""
    named = os.environ.get(CAPTURES_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser()
    checkout = resources.checkout_dir()
    beside = checkout.parent / "shared" / "data" if checkout else None
    return beside if beside is not None and beside.is_dir() else None


def list_(
    root: Annotated[
        Path | None,
        typer.Argument(help="A file or folder; without one TRIPLEGAIN_CAPTURES, else this folder, and the recordings."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Every recorded market in a folder and below it."""

    places = [root] if root else [captures_folder() or Path(), *_own_recordings()]
    found = [(place, list_captures(place)) for place in places]
    if as_json:
        print_json([each for _, summaries in found for each in summaries])
        return
    for place, summaries in found:
        if summaries:
            Terminal().print(_table(place, summaries))
    if not any(summaries for _, summaries in found):
        names = " or ".join(map(str, places))
        print(f"There is no recorded market in {names}; docs/captures.md lists the formats.")


def verify(
    path: Annotated[Path, typer.Argument(help="A recording or its name, a capture file, or a folder of them.")],
    as_json: JsonOption = False,
) -> None:
    """Read it to its end: checksums, hashes, sequence numbers, candles. Exit code 6 if something is wrong."""
    path = _named(path)
    recording = find_recording(path)
    report = verify_recording(recording) if recording else None
    found = report.summary if report else verify_capture(path)
    if as_json:
        counted = {"updates": found.updates, "mismatches": found.mismatches, "gaps": found.gaps}
        print_json(counted | plain_json(report or {}))
    else:
        _print_checked(path, found, report)
    if found.mismatches or (report and report.damaged):
        raise typer.Exit(_DAMAGED)


def replay(
    path: Annotated[Path, typer.Argument(help="A recording or its name, a capture file, or a folder of them.")],
    candle: Annotated[str | None, typer.Option(help="candle of the baseline: 1s, 5s, 15s, 1m, 5m, ...")] = None,
    session: Annotated[str | None, typer.Option(help="name of the session")] = None,
    as_json: OneLineOption = False,
) -> None:
    """Trade on it on paper, as fast as possible: short for `paper --feed replay:PATH --speed max`."""
    named = None if session is None else [session]
    paper.paper(feed=f"replay:{_named(path)}", speed="max", candle=candle, session=named, as_json=as_json)


def _own_recordings() -> list[Path]:
    """The folder of recordings, if there is one."""
    folder = recordings_dir(home_dir(create=False))
    return [folder] if folder.is_dir() else []


def _named(path: Path) -> Path:
    """A path, or the name of one of our recordings."""
    if path.exists() or len(path.parts) != 1:
        return path
    return next((folder / path for folder in _own_recordings() if (folder / path).is_dir()), path)


def _print_checked(path: Path, found: VerifyReport, more: RecordingReport | None) -> None:

    console = Terminal(highlight=False)
    console.print(f"{path}: {found.updates:,} updates checked")
    console.print(f"  mismatches {found.mismatches:,}", style=LOSS if found.mismatches else GAIN)
    console.print(f"  gaps       {found.gaps:,}", style=WARNING if found.gaps else GAIN)
    if more is None:
        return
    console.print(
        f"  {more.lines:,} lines in {more.runs:,} runs, {more.trades:,} trades; holes in the tape "
        f"{more.trade_gaps:,}, connections lost {more.disconnects:,}, updates left out {more.dropped:,}"
    )
    for words in more.cut_off:
        console.print(f"  {words}", style=WARNING, soft_wrap=True)
    for words in more.damaged:
        console.print(f"  {words}", style=LOSS, soft_wrap=True)


def _table(root: Path, found: list[CaptureSummary]) -> RenderableType:

    def name(each: CaptureSummary) -> Text:
        told = each.path.relative_to(root) if root.is_dir() and each.path != root else each.path
        return Text.assemble(str(told), (f" ({each.note})", QUIET) if each.note and not each.problem else "")

    def pair(each: CaptureSummary) -> str:
        first, *others = each.symbol.split(", ")
        return f"{first} +{len(others)}" if others else first

    def holds(each: CaptureSummary) -> Text:
        if each.problem:
            return Text(each.problem, style=LOSS)
        depth = each.depth.value if each.depth else ""
        return Text(f"candles {duration(each.candle_length_ns)}" if each.candle_length_ns else depth)

    def whole(shown: Callable[[CaptureSummary], str]) -> Callable[[CaptureSummary], str]:
        return lambda each: "" if each.problem else shown(each)

    return table_of(
        found,
        ("Capture", name),
        ("Pair", whole(pair), WHOLE),
        ("Holds", holds, WHOLE),
        ("From", whole(lambda each: moment(each.start_ns)[:10]), WHOLE),
        ("Length", whole(lambda each: duration((each.end_ns - each.start_ns) // 10**9 * 10**9)), WHOLE),
        ("Rows", whole(lambda each: f"{each.rows:,}"), RIGHT),
    )
