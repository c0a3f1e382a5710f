"""`doctor`: is everything there that trading on paper needs, and what to do where it is not."""

from __future__ import annotations

import typer

from triplegain.cli.client import JsonOption


def doctor(as_json: JsonOption = False) -> None:
    """Look at everything and say what to do. Exit code 1 if something must be done."""
    from rich.console import Console
    from rich.text import Text

    from triplegain.cli.checks import Verdict, examine
    from triplegain.cli.tables import GAIN, LOSS, QUIET, WARNING, print_json, table_of

    findings = examine()
    must_act = any(each.verdict is Verdict.FIX for each in findings)
    if as_json:
        print_json({"ok": not must_act, "checks": findings})
        raise typer.Exit(int(must_act))
    styles = {Verdict.OK: GAIN, Verdict.NOTE: WARNING, Verdict.FIX: LOSS}
    table = table_of(
        findings,
        ("", lambda each: Text(each.verdict.value, style=styles[each.verdict])),
        ("Check", "check"),
        (
            "Found",
            lambda each: Text.assemble(each.found, (f"\n{each.action}" * bool(each.action), styles[each.verdict])),
        ),
    )
    console = Console()
    console.print(table)
    console.print(
        Text("Something must be done: see the lines marked fix.", style=LOSS)
        if must_act
        else Text("All is well: `tg paper` trades.", style=QUIET)
    )
    raise typer.Exit(int(must_act))
