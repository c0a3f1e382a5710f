"""A feed that sends what no exchange sends: the session goes on, in the words of a terminal and within its memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.app.paper_process import PaperHome, eventually
from tests.attack.hostile_feed import FRAMES, HostileFeed
from tests.attack.watching import assert_rows_tame, assert_tame, watched

pytestmark = pytest.mark.slow


def test_a_session_goes_on_whatever_its_feed_sends(home: PaperHome, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "market.yaml").write_text("instruments: [BTC/USD]\nkraken: {book_depth: 10}\n")
    (config / "execution.yaml").write_text("paper_trading: {initial_balance: {USD: 10000}}\n")
    with HostileFeed().serving() as feed:
        environ = {"TRIPLEGAIN_CONFIG_DIR": str(config), **feed.environment}
        with watched(home, "paper", "--feed", "live", "--llm", "none", environ=environ) as product:

            def shows_itself() -> None:
                assert not product.running.is_over, product.running.wait()
                for words in (("agents", "show", "--json"), ("risk", "show")):
                    ran = home.run(*words, environ=environ)
                    assert_tame(ran.stdout + ran.stderr, " ".join(words))

            def is_placed() -> bool:
                words = ("order", "place", "BTC/USD", "buy", "0.01", "--limit", "90", "--json")
                return home.run(*words, environ=environ).code == 0

            eventually(lambda: product.running.is_over or "equity" in product.running.said, "a market")
            product.begin()
            for frames in FRAMES.values():
                feed.send(frames)
            for spoiled in ("words", "gzip", "endless", "deep", ""):
                feed.spoiled = spoiled
                # A connection that is reset is made again, and the trades missed meanwhile are asked for.
                feed.drop()
                eventually(lambda: feed.kraken.sockets, f"a connection after {spoiled}")
                shows_itself()
            growth_mb, worst_ms = product.growth_mb, product.worst_ms
            placed = eventually(is_placed, "an order that is taken again")
            ended = product.running.interrupt()
    sys.stdout.write(f"memory +{growth_mb:.1f} MB, longest callback {worst_ms:.0f} ms: {product.told}")
    assert placed and ended.code in (0, 130)
    for words in (ended.stdout, ended.stderr):
        assert_tame(words, "terminal")
        assert max(map(len, words.split("\n"))) < 3_000
    assert_rows_tame(home)
    assert growth_mb < 50, growth_mb
    assert worst_ms < 100, product.told
