"""What an operator is told of a running system: the log, notifications, and what the watch notices by itself."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from tests.app.paper_process import PaperHome, eventually
from tests.cli.sample_view import view

from triplegain.app.operation.log import logging_to, tell
from triplegain.app.operation.notices import Notice
from triplegain.app.operation.notifications import Delivery, NotificationError, Notifier, sender
from triplegain.app.operation.watch import SessionWatch
from triplegain.config.operation import LogFormat, LogSettings, NotificationSettings, Subject
from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.domain.outside import Redactor

FILL = Notice(logging.INFO, "fill", "one filled", Subject.FILLS)
DAY_NS = 86_400 * SECOND_NS


class Box:
    """Where messages arrive; `open` False: they do not."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.is_open = True
        self.gate = threading.Event()
        self.gate.set()
        self.taken = threading.Semaphore(0)

    def send(self, title: str, body: str) -> list[Delivery]:
        self.taken.release()
        self.gate.wait(30)
        if self.is_open:
            self.messages.append(body)
        return [Delivery("1 (json)", self.is_open)]


def settings(**changed: object) -> NotificationSettings:
    return NotificationSettings(**{"per_hour": 3, **changed})  # type: ignore[arg-type]


class TestNotifications:
    def test_what_comes_while_one_is_sent_goes_together_with_the_next(self) -> None:
        box = Box()
        box.gate.clear()
        notifier = Notifier(box.send, settings(), ManualClock(0), "paper")
        notifier.start()
        notifier.take(FILL)
        assert box.taken.acquire(timeout=30)
        for number in range(3):
            notifier.take(Notice(20, "fill", f"{number}", Subject.FILLS))
        box.gate.set()
        notifier.stop()
        assert box.messages == ["one filled", "0\n1\n2"]

    def test_more_than_may_go_in_an_hour_is_counted_and_told_with_the_next(self) -> None:
        box, clock = Box(), ManualClock(0)
        notifier = Notifier(box.send, settings(per_hour=1), clock, "paper")
        notifier._deliver(["a"])
        notifier._deliver(["b", "c"])
        clock.advance_to(3601 * SECOND_NS)
        notifier._deliver(["d"])
        assert box.messages == ["a", "d\nand 2 more since the last message: the log has them"]

    def test_a_flood_is_never_waited_for(self) -> None:
        box = Box()
        box.gate.clear()
        notifier = Notifier(box.send, settings(), ManualClock(0), "paper")
        notifier.start()
        for _ in range(1000):
            notifier.take(FILL)
        box.gate.set()
        notifier.stop()
        assert sum(body.count("one filled") for body in box.messages) <= 101
        assert "more since the last message" in "".join(box.messages) or len(box.messages) == 3

    def test_only_what_was_asked_for_is_told(self) -> None:
        box = Box()
        notifier = Notifier(box.send, settings(about=(Subject.STOPS,)), ManualClock(0), "paper")
        notifier.start()
        notifier.take(FILL)
        notifier.stop()
        assert box.messages == []

    def test_a_place_that_fails_is_said_once_and_so_is_its_return(self, caplog: pytest.LogCaptureFixture) -> None:
        box = Box()
        notifier = Notifier(box.send, settings(per_hour=100), ManualClock(0), "paper")
        with caplog.at_level(logging.INFO, "triplegain"):
            box.is_open = False
            notifier._deliver(["a"])
            notifier._deliver(["b"])
            box.is_open = True
            notifier._deliver(["c"])
        assert [record.getMessage() for record in caplog.records] == [
            "notifications do not arrive at place 1 (json)",
            "notifications arrive at place 1 (json) again",
        ]

    @pytest.mark.parametrize(
        ("address", "told"),
        [
            ("tgram://secret", "URL 2 (tgram://…) is none"),
            ("nonsense://user:secret@host", "URL 2 is none"),
            ("secret", "URL 2 is none"),
            ("tgram:secret", "URL 2 is none"),
            ("\x1b[31msecret://host", "URL 2 is none"),
        ],
    )
    def test_an_address_that_cannot_be_used_is_refused_without_being_shown(self, address: str, told: str) -> None:
        with pytest.raises(NotificationError) as refused:
            sender(f"json://127.0.0.1:1/x {address}")
        assert told in str(refused.value)
        assert "secret" not in str(refused.value)


def hook(received: list[dict[str, str]]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def metrics(home: PaperHome, session: str) -> dict[str, float]:
    """What `/metrics` says to whoever has the key."""
    running = json.loads((home.path / "running" / f"{session}.json").read_text())
    key = (home.path / "admin.key").read_text().strip()
    url = f"http://{running['host']}:{running['port']}/metrics"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {key}"}, trust_env=False)
    assert answer.headers["content-type"].startswith("text/plain")
    samples = [line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in samples}


def test_a_run_tells_the_log_and_the_hook_of_every_fill(shared_home: PaperHome) -> None:
    received: list[dict[str, str]] = []
    server = hook(received)
    home = PaperHome(shared_home.path, {"TRIPLEGAIN_NOTIFY_URLS": f"json://127.0.0.1:{server.server_port}/"})
    try:
        tried = json.loads(home.run("notify", "test", "--json").stdout)
        assert tried == {"places": [{"place": "1 (json)", "delivered": True}]}
        paper = ("paper", "--feed", "demo", "--speed", "1", "--session", "told", "--llm", "none")
        with home.running(*paper) as running:
            order = ("order", "place", "XRP/USDT", "buy", "20", "--id", "by-hand", "--session", "told", "--json")
            eventually((home.path / "running" / "told.json").exists, "a session that can be spoken to")
            eventually(lambda: metrics(home, "told").get("triplegain_events_total", 0) > 50, "a market")
            eventually(lambda: home.run(*order).code == 0, "an order")
            figures = metrics(home, "told")
            finished = running.interrupt()
    finally:
        server.shutdown()
        server.server_close()
    assert figures['triplegain_fills_total{session="told"}'] >= 1
    assert figures["triplegain_database_away"] == 0
    assert figures['triplegain_notices_total{kind="fill",level="info"}'] >= 1
    assert figures["triplegain_commit_seconds_count"] >= 1
    log = (home.path / "log" / "told.log").read_text()
    fills = [line for line in log.splitlines() if " fill: by-hand filled: buy " in line]
    assert fills
    assert all(line in finished.stdout for line in fills), "what collects the output gets the same lines"
    assert " order: by-hand sent: buy 20 XRP/USDT at market" in log
    told = "\n".join(each["message"] for each in received[1:])
    assert "told runs on demo" in told
    assert "by-hand filled: buy" in told
    assert "told stops" in told


class TestTheLog:
    @pytest.mark.parametrize("form", LogFormat)
    def test_a_line_is_one_line_whatever_it_says(self, tmp_path: Path, form: LogFormat) -> None:
        with logging_to(LogSettings(format=form), tmp_path, "s", None, Redactor(["a-secret-key-of-ours"])):
            tell("s", Notice(logging.INFO, "alert", "two\nlines", None, SECOND_NS, "BTC/USDT", {"order_id": "x"}))
            logging.getLogger("triplegain.venues.kraken").warning("connected again \x1b[2J with a-secret-key")
            tell("s", Notice(logging.DEBUG, "decision", "held"))
        lines = (tmp_path / "log" / "s.log").read_text().splitlines()
        assert len(lines) == 2
        assert "\x1b" not in lines[1]
        assert "a-secret-key" not in lines[1]
        if form is LogFormat.JSON:
            first, second = map(json.loads, lines)
            assert first["market_time"] == "1970-01-01T00:00:01.000000Z"
            assert (first["kind"], first["symbol"], first["order_id"]) == ("alert", "BTC/USDT", "x")
            assert (second["kind"], second["session"]) == ("venues.kraken", "s")

    @pytest.mark.parametrize("form", LogFormat)
    def test_a_line_holds_nothing_that_a_terminal_obeys(self, tmp_path: Path, form: LogFormat) -> None:
        with logging_to(LogSettings(format=form), tmp_path, "s", None, Redactor([])):
            try:
                raise ValueError("\x1b]0;owned\x07 \u202edrowssap")
            except ValueError:
                logging.getLogger("triplegain.x").exception("it said %s", "\x1b[2J\x9b31m")
        (file,) = (tmp_path / "log").iterdir()
        assert file.read_text().replace("\n", "").isprintable()

    def test_a_line_is_made_once_for_all_who_get_it(self, tmp_path: Path) -> None:
        class Told:
            times = 0

            def __str__(self) -> str:
                self.times += 1
                return "something"

        told, output = Told(), io.StringIO()
        with logging_to(LogSettings(), tmp_path, "s", output, Redactor([])):
            logging.getLogger("triplegain.x").warning("%s, %s", told, "twice")
        assert (told.times, output.getvalue()) == (1, (tmp_path / "log" / "s.log").read_text())

    def test_files_are_put_aside_and_the_oldest_removed(self, tmp_path: Path) -> None:
        with logging_to(
            LogSettings(file_bytes_max=300, kept=2), tmp_path, "s", None, Redactor(["a-secret-key-of-ours"])
        ):
            for number in range(40):
                tell("s", Notice(logging.INFO, "order", f"order {number}"))
        assert sorted(path.name for path in (tmp_path / "log").iterdir()) == ["s.log", "s.log.1", "s.log.2"]

    def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "log").mkdir()
        os.mkfifo(tmp_path / "log" / "s.log")
        with logging_to(LogSettings(), tmp_path, "s", sys.stdout, Redactor([])):
            tell("s", FILL)
        assert "s.log is no file" in capsys.readouterr().out

    def test_a_folder_that_cannot_be_written_does_not_stop_anything(self, tmp_path: Path) -> None:
        (tmp_path / "log").touch()
        with logging_to(LogSettings(), tmp_path, "s", None, Redactor(["a-secret-key-of-ours"])):
            tell("s", FILL)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no file here is always full")
    def test_a_disk_that_is_full_is_told_once_and_ends_nothing(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (folder := tmp_path / "log").mkdir()
        (folder / "s.log").symlink_to("/dev/full")
        output = io.StringIO()
        with logging_to(LogSettings(), tmp_path, "s", output, Redactor([])):
            for _ in range(3):
                tell("s", FILL)
        told = output.getvalue()
        assert (told.count("one filled"), told.count("cannot be written")) == (3, 1)
        assert capfd.readouterr().err == ""


class TestTheWatch:
    def looked(self, *views: object, seconds: int = 30) -> list[tuple[str, Subject | None]]:
        watch = SessionWatch(60 * SECOND_NS)
        return [
            (notice.words, notice.about)
            for number, each in enumerate(views)
            for notice in watch.look(each, number * seconds * SECOND_NS)  # type: ignore[arg-type]
        ]

    def test_a_market_without_its_feed_is_told_once_it_lasts_and_when_it_is_back(self) -> None:
        gone, back = view(conditions={"BTC/USDT": "no connection"}), view(conditions={"BTC/USDT": ""})
        assert self.looked(gone, gone, gone, gone, back) == [
            ("BTC/USDT: no connection", None),
            ("BTC/USDT has not traded for 60 s: no connection", Subject.FEED),
            ("BTC/USDT trades again after 120 s", Subject.FEED),
        ]

    def test_a_short_gap_stands_in_the_log_only(self) -> None:
        gone, back = view(conditions={"BTC/USDT": "no connection"}), view(conditions={"BTC/USDT": ""})
        assert [about for _, about in self.looked(gone, back)] == [None, None]

    @pytest.mark.parametrize(
        ("change", "about"),
        [({"halted": "x"}, Subject.SESSION), ({"paused": True}, Subject.SESSION), ({"away": "x"}, Subject.DATABASE)],
    )
    def test_what_stands_in_the_way_is_told_when_it_comes_and_when_it_goes(
        self, change: dict[str, object], about: Subject
    ) -> None:
        found = self.looked(view(), view(**change), view(**change), view())
        assert [each for _, each in found] == [about, about]

    def test_a_day_is_summed_up_when_it_is_over(self) -> None:
        days: Callable[[int], object] = lambda number: view(market_time_ns=number * DAY_NS + 1)  # noqa: E731
        found = self.looked(days(1), days(1), days(2))
        assert [about for _, about in found] == [Subject.DAILY]
        assert found[0][0].startswith("1970-01-02: equity ")
