"""`data`: the stored history of markets, loaded, imported, looked through and mended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triplegain.cli.client import JsonOption, tell

if TYPE_CHECKING:
    from triplegain.app.history_import import Downloaded, Imported
    from triplegain.app.market_data import MarketCheck, StoredSeries
    from triplegain.storage.database import Database

_CONTRADICTS = 6
Symbols = Annotated[list[str] | None, typer.Argument(help="Pairs, like BTC/USDT; without one all.", metavar="SYMBOL…")]


def download(
    symbols: Annotated[list[str], typer.Argument(help="Pairs, like BTC/USDT.", metavar="SYMBOL…")],
    since: Annotated[str | None, typer.Option(help="from this time on, UTC: 2024-01-01 or 2024-01-01T12:00")] = None,
    until: Annotated[str | None, typer.Option(help="up to this time; without it up to now")] = None,
    kind: Annotated[
        str, typer.Option(help="trades (minutes are made of them), or candles: Kraken's last 720 of each length")
    ] = "trades",
    as_json: JsonOption = False,
) -> None:
    """Load what is not stored yet from Kraken. May be stopped at any moment; the same command goes on from there."""
    from triplegain.cli.data_view import downloads_view, watching
    from triplegain.cli.database import with_database
    from triplegain.domain.errors import InvalidValueError
    from triplegain.market.timestamps import moment_ns

    if kind not in ("trades", "candles"):
        raise InvalidValueError(f"--kind is trades or candles, not {kind!r}")
    pairs = [_symbol(word) for word in symbols]
    start = moment_ns(since) if since else None
    end = moment_ns(until) if until else None
    with watching(as_json) as progress:

        async def load(database: Database) -> list[Downloaded]:
            from triplegain.app.history_import import HistoryDownload, kraken_history
            from triplegain.config import load_config

            async with kraken_history(load_config(), progress) as rest:
                return await HistoryDownload(rest, database, progress).load(pairs, kind, start, end)

        done = with_database(load)
    tell(as_json, done, downloads_view)


def import_paths(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of them.", metavar="PATH…")],
    as_json: JsonOption = False,
) -> None:
    """Store trades and candles of files: Kraken's CSV archives, freqtrade, CSV with a header. Twice is once."""
    from triplegain.cli.data_view import imports_view, watching
    from triplegain.cli.database import with_database

    with watching(as_json) as progress:

        async def store(database: Database) -> list[Imported]:
            from triplegain.app.history_import import import_files

            return await import_files(paths, database, progress)

        done = with_database(store)
    tell(as_json, done, imports_view)


def list_all(as_json: JsonOption = False) -> None:
    """What is stored, and where it has gaps."""
    from triplegain.cli.data_view import series_view
    from triplegain.cli.database import with_database

    async def read(database: Database) -> list[StoredSeries]:
        from triplegain.app.market_data import MarketData

        return await MarketData(database).series()

    tell(as_json, with_database(read), series_view)


def verify(
    symbols: Symbols = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="build again what disagrees, and load from Kraken what is missing")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare trades with their numbers, minutes with trades, longer candles with minutes. Exit code 6 on a clash."""
    from triplegain.cli.data_view import checks_view, watching
    from triplegain.cli.database import with_database
    from triplegain.config import load_config
    from triplegain.domain.clock import SystemClock

    config = load_config()
    pairs = [_symbol(word) for word in symbols or ()]
    with watching(as_json) as progress:

        async def check(database: Database) -> list[MarketCheck]:
            from triplegain.app.history_import import HistoryDownload, kraken_history
            from triplegain.app.market_data import MarketData, oldest_trade_ns

            data = MarketData(database)
            kept_from_ns = oldest_trade_ns(config.history.trade_retention_days, SystemClock())
            found = await data.verify(pairs, kept_from_ns)
            if repair and any(each.contradictions or each.gaps for each in found):
                async with kraken_history(config, progress) as rest:
                    for each in found:
                        await data.mend(each, HistoryDownload(rest, database, progress))
                found = await data.verify(pairs, kept_from_ns)
            return found

        checks = with_database(check)
    tell(as_json, checks, checks_view)
    if any(each.contradictions for each in checks):
        raise typer.Exit(_CONTRADICTS)


def prune(as_json: JsonOption = False) -> None:
    """Remove trades older than history.trade_retention_days. Their candles stay for ever."""
    from triplegain.cli.database import with_database
    from triplegain.config import load_config
    from triplegain.domain.clock import SystemClock

    days = load_config().history.trade_retention_days

    async def remove(database: Database) -> dict[str, int]:
        from triplegain.app.market_data import MarketData

        return await MarketData(database).prune(days, SystemClock())

    def told(removed: dict[str, int]) -> str:
        if not days:
            return "Trades are kept for ever: history.trade_retention_days is 0."
        return f"{sum(removed.values()):,} trades older than {days} days were removed; their candles stay."

    tell(as_json, with_database(remove), told)


def _symbol(word: str) -> str:
    from triplegain.domain.errors import InvalidValueError
    from triplegain.feeds.captures.instruments import symbol_of

    symbol = symbol_of(word)
    if symbol is None:
        raise InvalidValueError(f"a pair reads BASE/QUOTE, like BTC/USDT; this is {word!r}")
    return symbol
