"""A clock behind ours, a closed exchange and a book out of step: conditions in words, and nothing is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.paper_process import PaperHome, eventually
from tests.attack.local_market import PAIR, local_market, trading, write_tape
from tests.yardstick import timed

pytestmark = pytest.mark.slow


def test_an_exchange_whose_clock_is_behind_is_said_refused_in_words_and_waited_for(
    home: PaperHome, tmp_path: Path
) -> None:
    tape = write_tape(tmp_path / "tape", [60_000.0, 60_000.1] * 1000)
    with local_market(home, tape) as kraken, trading(home, kraken) as session:
        eventually(lambda: session.condition() == "", "the book")
        # So far that it does not catch up by itself, however slow this machine is.
        kraken.skip(600)
        eventually(lambda: session.get("/paper/mode").json()["market_time"] > "2023-11-14T22:23:00", "the skip")
    with local_market(home, tape) as kraken, trading(home, kraken) as session:
        words = eventually(session.condition, "the condition")
        assert "s behind this session" in words
        with timed() as took:
            refused = session.tg("order", "place", PAIR, "buy", "0.001")
        assert took.seconds < 10
        assert (refused.code, refused.error["error_code"]) == (8, "EService:Unavailable")
        assert "clock is" in refused.error["error_message"]
        ready = session.get("/health/ready")
        assert ready.status_code == 503
        assert "behind this session" in ready.json()["error_message"]
        assert session.get("/paper/portfolio").json()["prices"][PAIR] is None
        assert any("behind this session" in alert for alert in session.alerts())
        kraken.skip(650)
        eventually(lambda: session.condition() == "", "the clock to catch up")
        assert session.ask("order", "place", PAIR, "buy", "0.001")["status"] == "filled"
        assert session.get("/health/ready").status_code == 200


def test_an_emergency_in_a_maintenance_stands_through_a_restart_and_is_carried_out_at_the_opening(
    home: PaperHome, tmp_path: Path
) -> None:
    tape = write_tape(tmp_path / "tape", [60_000.0, 60_000.1] * 1000)
    with local_market(home, tape) as kraken:
        with trading(home, kraken) as session:
            eventually(lambda: session.condition() == "", "the book")
            position = session.buy("50000")
            session.ask("order", "place", PAIR, "buy", "0.001", "--limit", "40000", "--id", "bid")
            kraken.fault("maintenance")
            eventually(lambda: "maintenance" in session.condition(), "the maintenance")
            cancelled = session.tg("order", "cancel", "bid")
            assert (cancelled.code, cancelled.error["error_code"]) == (8, "EService:Unavailable")
            stands = session.tg("emergency")
            assert (stands.code, stands.error["error_code"]) == (10, "stands")
            assert "maintenance" in stands.error["error_message"]
            assert session.get("/health/ready").status_code == 503
            assert session.position(position)["is_open"]
        with trading(home, kraken) as session:
            eventually(lambda: "maintenance" in session.condition(), "the maintenance")
            assert session.position(position)["is_open"]
            assert {each["client_order_id"]: each["status"] for each in session.orders()}["bid"] == "open"
            kraken.mend()
            eventually(lambda: not session.position(position)["is_open"], "the way out")
            orders = {each["client_order_id"]: each["status"] for each in session.orders()}
            assert (orders["bid"], orders["tg-stop-1"]) == ("cancelled", "cancelled")
            assert session.position(position)["close_reason"] == "manual"


def test_a_stop_the_tape_went_through_while_the_book_was_out_of_step_fires_at_the_book_that_comes(
    home: PaperHome, tmp_path: Path
) -> None:
    """A minute at 60,000, five seconds at 58,000, and back. The request for a new book is read ten seconds late."""
    tape = write_tape(
        tmp_path / "tape", [60_000.0, 60_000.1] * 60 + [58_000.0, 58_000.1] * 5 + [60_000.0, 60_000.1] * 900
    )
    with local_market(home, tape, "--speed", "4") as kraken, trading(home, kraken) as session:
        eventually(lambda: session.condition() == "", "the book")
        position = session.buy("59000")
        kraken.skip_to(55)
        kraken.fault("slow_reader", delay_ms=10_000, duration_s=600)
        kraken.fault("bad_checksum", symbol=PAIR, channel="book", times=1)
        eventually(lambda: "checksum" in session.condition(), "the book to be out of step")
        eventually(lambda: kraken.market_s() > 66, "the dip to be over")
        assert session.position(position)["is_open"]
        kraken.mend()
        closed = eventually(lambda: not (found := session.position(position))["is_open"] and found, "the stop")
        assert closed["close_reason"] == "stop_loss"
        (fill,) = session.get("/paper/orders/tg-stop-1").json()["fills"]
        assert float(fill["price"]) > 59_900
        assert fill["explanation"]["cause"]["price"].startswith("5800")
