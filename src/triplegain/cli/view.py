"""The live terminal view of `paper`: a screen where there is one, else a plain line every few seconds."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from triplegain.cli.beside import beside_lines
from triplegain.cli.dashboard import balances, dashboard, equity_lines, positions, state
from triplegain.cli.tables import QUIET, WARNING, moment, signed_percent, signed_usd, usd
from triplegain.domain.views import SessionView

_LOG = logging.getLogger(__name__)
_SCREEN_S = 0.2
_LINE_S = 60.0
#: Lines of sessions beside the one that is shown, where there is no screen.
_BESIDE_MAX = 20
#: For so long the screen shows what it was told, and so many sentences are kept.
_TOLD_S, _TOLD_MAX = 60.0, 4
#: A disk that is full, a terminal that is gone, a pipe that nobody reads (for which the library leaves the program): a
#: session goes on unseen.
_CANNOT_SHOW = (OSError, SystemExit)


class LiveView:
    """`with LiveView(console) as screen: screen.update(view, fills)`; the summary is printed at the end.

    `update` may be called as often as one likes: it draws a few times a second at most, and once more on leaving.
    `ticks` are seconds that only run forward.
    """

    def __init__(self, console: Console, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._ticks = ticks
        self._interval_s = _SCREEN_S if console.is_terminal else _LINE_S
        self._drawn_at: float | None = None
        self._latest: tuple[SessionView, tuple[str, ...]] | None = None
        self._told: deque[tuple[float, str]] = deque(maxlen=_TOLD_MAX)
        self._live = Live(console=console, screen=True, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> LiveView:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(*_CANNOT_SHOW):
            if self._live is not None:
                self._live.stop()
            if self._latest is not None:
                view, fills = self._latest
                self._console.print(summary_panel(view, fills))

    @property
    def is_due(self) -> bool:
        return self._drawn_at is None or self._ticks() - self._drawn_at >= self._interval_s

    def tell(self, words: str) -> None:
        """One sentence above the screen; once that is taken over, on it for a while, and in the log."""
        if self._live is not None and self._live.is_started:
            self._told.append((self._ticks(), words))
            _LOG.warning("%s", words)
            return
        with suppress(*_CANNOT_SHOW):
            self._console.print(Text(words, style="yellow"), soft_wrap=True)

    def update(self, view: SessionView, recent_fills: Sequence[str]) -> None:
        """Show `view`; `recent_fills` in words, oldest first."""
        self._latest = (view, tuple(recent_fills))
        now = self._ticks()
        if self._drawn_at is not None and now - self._drawn_at < self._interval_s:
            return
        self._drawn_at = now
        with suppress(*_CANNOT_SHOW):
            self._draw(view, recent_fills)

    def _draw(self, view: SessionView, recent_fills: Sequence[str]) -> None:
        if self._live is None:
            self._console.print(plain_line(view), highlight=False, soft_wrap=True)
            for line in beside_lines(view, _BESIDE_MAX):
                self._console.print("  ", line, highlight=False, soft_wrap=True)
            return
        # The screen is taken over only when there is something to show: what start-up says stays readable.
        self._live.start()
        width, height = self._console.size
        told = [words for at, words in self._told if self._ticks() - at < _TOLD_S]
        self._live.update(dashboard(view, recent_fills, width, height, told), refresh=True)


def plain_line(view: SessionView) -> Text:
    """The session in one line, for logs and pipes."""
    summary = view.summary
    parts: list[str | Text | tuple[str, str]] = [f"{moment(view.market_time_ns)} UTC  {view.mode.upper()} {view.feed}"]
    if view.synthetic:
        parts.append(" (synthetic market)")
    if not view.market_time_ns:
        what = view.waits_for or "the market's first message"
        return Text.assemble(f"{view.mode.upper()} {view.feed}: waiting for {what}")
    if view.progress is not None:
        parts.append(f"  {view.progress:.1%}")
    parts += [
        "  equity ",
        usd(summary.equity),
        " USD ",
        signed_usd(summary.profit),
        " (",
        signed_percent(summary.profit_percent),
        ")  holding ",
        usd(summary.buy_and_hold),
        f"  positions {len(view.positions)}  orders {len(view.open_orders)}  fills {summary.trade_count}",
        f"  {view.events_per_s:,.0f} events/s",
    ]
    if view.feed_notes:
        parts.append(f"  {view.feed_notes}")
    parts += [(f"  {symbol}: {words}", WARNING) for symbol, words in view.conditions.items() if words]
    if view.waits_for:
        parts.append((f"  waiting for {view.waits_for}", WARNING))
    if view.halted or view.paused or view.away or (view.decisions is not None and view.decisions.halted):
        parts += ["  ", state(view)]
    return Text.assemble(*parts)


def summary_panel(view: SessionView, fills: Sequence[str] = ()) -> RenderableType:
    """What is shown at the end of a run."""
    lines: list[RenderableType] = [
        Text.assemble(
            (f" {view.mode.upper()} ", "bold black on yellow"),
            " ",
            (" SYNTHETIC MARKET ", "bold black on magenta") if view.synthetic else "",
            f" {view.feed}, {view.events:,} events, market time {moment(view.market_time_ns)} UTC",
        )
    ]
    if view.halted or view.paused or view.away:
        lines.append(state(view))
    lines += [*equity_lines(view), Text(), balances(view, len(view.balances))]
    if view.positions:
        lines += [Text(), positions(view, len(view.positions))]
    if view.beside:
        lines += [Text(), *beside_lines(view, _BESIDE_MAX)]
    if fills:
        lines += [Text(), Text.assemble(("Last fill: ", QUIET), fills[-1])]
    lines += [Text(), Text(f"tg report {view.session_id}", style="bold")]
    return Panel(Group(*lines), title=view.session_id, title_align="left", expand=False)
