"""The sessions that share the market of the one that is shown: a line for each."""

from __future__ import annotations

from rich.text import Text

from triplegain.cli.tables import ALARM, QUIET, signed_usd, usd
from triplegain.domain.views import Beside, SessionView


def beside_lines(view: SessionView, most: int) -> list[Text]:
    """At most so many; those in which something stands against trading come first."""
    found = sorted(view.beside, key=lambda each: not each.stands)
    shown = found if len(found) <= most else found[: most - 1]
    lines = [_line(each) for each in shown]
    if len(shown) < len(found):
        lines.append(Text(f"and {len(found) - len(shown)} more sessions: `tg session list` shows all", style=QUIET))
    return lines


def _line(each: Beside) -> Text:
    line = Text.assemble(
        (each.session_id, "bold"),
        ("  equity ", QUIET),
        usd(each.equity),
        ("  today ", QUIET),
        signed_usd(each.today),
        ("  positions ", QUIET),
        str(each.positions),
        no_wrap=True,
        overflow="ellipsis",
    )
    return line.append(f"  {each.stands}", ALARM) if each.stands else line
