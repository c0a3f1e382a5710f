"""A table that is told row by row where it is wider than the terminal: an id or a number is never cut."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

#: Any table fits into so many columns.
_WIDE = 10_000
_INDENT, _BETWEEN = "  ", "  "


class FittingTable(Table):
    """As wide as it must be, with what may be wrapped wrapped; else each row in lines of its own, `heading value`
    beside each other as far as they go."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        if not self.row_count or self._least(console, options) <= width:
            yield from super().__rich_console__(console, options)
            return
        if self.title:
            yield Text(str(self.title), style="bold")
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            headings = [Text.from_markup(str(column.header)) for column in self.columns]
            items = _items(headings, [_text(console, each) for each in cells])
            yield from _flowed(items, width)

    def _least(self, console: Console, options: ConsoleOptions) -> int:
        wide = options.update(max_width=_WIDE)
        return Measurement.get(console, wide, self).maximum - sum(_slack(console, wide, each) for each in self.columns)


def _slack(console: Console, options: ConsoleOptions, column: Column) -> int:
    """By how much it may be narrower without a word or a number being cut."""
    if column.no_wrap:
        return 0
    sizes = [Measurement.get(console, options, each) for each in (column.header, *column.cells)]
    return max(each.maximum for each in sizes) - max(each.minimum for each in sizes)


def _text(console: Console, cell: object) -> Text:
    return cell.copy() if isinstance(cell, Text) else console.render_str(str(cell), highlight=False)


def _items(headings: list[Text], cells: list[Text]) -> Iterator[Text]:
    """A cell of several lines is as many items."""
    for heading, found in zip(headings, cells, strict=True):
        for number, line in enumerate(found.split("\n")):
            named = Text(heading.plain.replace("\n", " ").strip(), style="dim") if number == 0 else Text()
            if line.plain.strip():
                yield Text(" ").join([named, line]) if named.plain else line


def _flowed(items: Iterator[Text], width: int) -> Iterator[Text]:
    """The first line at the margin, the others indented; what is wider than all of it is folded at last."""
    line = Text()
    for item in items:
        if not line.plain:
            line = item
        elif line.cell_len + len(_BETWEEN) + item.cell_len <= width:
            line = Text.assemble(line, _BETWEEN, item)
        else:
            yield _folded(line)
            line = Text.assemble(_INDENT, item)
    yield _folded(line)


def _folded(line: Text) -> Text:
    line.overflow = "fold"
    return line
