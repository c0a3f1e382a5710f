"""What the operator wrote into a file or a variable: what may be a password is repeated nowhere, no terminal obeys any
of it, and a mistake is a line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.paper_process import PaperHome, eventually
from tests.app.stored_record import database_of
from tests.attack.watching import ESCAPES, assert_rows_tame, assert_tame

pytestmark = pytest.mark.slow

SECRET = "S3cr3tT0kenValue99"
#: Addresses that nobody can use, or that lead nowhere: the secret where a person may put it by mistake.
ADDRESSES = (
    SECRET, f"tgram:{SECRET}", f"tgram://{SECRET}", f"mailto://u:{SECRET}@x y", f"{SECRET}://x", f"\u202e{SECRET}://",
    f"\x1b[31m{SECRET}://x", f"json://h/\x1b]0;{SECRET}\x07", f"json://[::1/{SECRET}", f"{SECRET * 1000}://x",
)  # fmt: skip
#: `operation.yaml`, and whether it is a mistake.
FILES = {
    f"notifications: {{urls: [json://{SECRET}]}}": True,
    f"notifications: {{urls: {{a: json://{SECRET}}}}}": True,
    f"notifications: json://{SECRET}": True,
    f"json://{SECRET}": True,
    f"notifications:\n  urls: json://{SECRET}\n  urls: json://{SECRET}": True,
    f"notifications:\n  urls: @{SECRET}": True,
    f'notifications:\n  urls: "json://{SECRET}\n  about': True,
    f"notifications:\n urls: json://x\n  {SECRET}: 1": True,
    f"notifications: {{urls: 'json://{SECRET}'}}\nlog: {{kept: \"\\e[31m\"}}": True,
    'notifications: {about: ["\\e]0;x\\a", "\\u202eabc"]}': True,
    'log: {level: "\\e[2J"}': True,
    'log: {"\\e[2Jkey": 1}': True,
    '"\\e[2J": 1': True,
    "log: {level: " + "x" * 100_000 + "}": True,
    'log: {level: "${KRAKEN_API_SECRET}"}': True,
    'log: {kept: "${OPENAI_API_KEY}"}': True,
    'notifications: {about: ["${KRAKEN_API_KEY}"]}': True,
    'notifications: {urls: "${KRAKEN_API_KEY}"}': False,
}
KEYS = dict.fromkeys(("KRAKEN_API_KEY", "KRAKEN_API_SECRET", "OPENAI_API_KEY"), SECRET)
DATABASES = (
    SECRET, f"mysql://u:{SECRET}@h/x", f"postgresql://u:{SECRET}@127.0.0.1:x1/x", f"postgresql://u:{SECRET}@[::1/x",
    f"postgresql://u:{SECRET}@127.0.0.1:1/x", f"postgresql://\x1b[2J:{SECRET}@h/x", f"host=h password={SECRET}",
    f"postgresql://127.0.0.1:1/x?password={SECRET}",
)  # fmt: skip


def fault_of(said: str) -> str:
    """What is wrong with these words, empty: nothing."""
    wild = [line for line in said.split("\n") if not line.isprintable()]
    long = len(said) > 12_000
    return "a secret" if SECRET in said else "a raw character" if wild else "without an end" if long else ""


def test_an_address_that_may_be_a_password_is_repeated_by_no_command(home: PaperHome) -> None:
    found = []
    for address in ADDRESSES:
        environ = {"TRIPLEGAIN_NOTIFY_URLS": address}
        said = home.run("notify", "test", environ=environ)
        assert said.code in (1, 3), said
        if fault := fault_of(said.stdout + said.stderr):
            found.append(f"{address[:40]!r}: {fault}")
    shown = home.run("config", "show", environ={"TRIPLEGAIN_NOTIFY_URLS": " ".join(ADDRESSES)})
    assert shown.code == 0 and not fault_of(shown.stdout + shown.stderr)
    assert found == []


def test_a_mistake_in_a_file_is_told_without_its_secrets_or_escapes(home: PaperHome, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    found = []
    for text, is_wrong in FILES.items():
        (config / "operation.yaml").write_text(text)
        for words in (("config", "check"), ("config", "show")):
            said = home.run(*words, environ={"TRIPLEGAIN_CONFIG_DIR": str(config), **KEYS})
            assert said.code == (3 if is_wrong else 0), (text[:80], said)
            if fault := fault_of(said.stdout + said.stderr):
                found.append(f"{words} of {text[:60]!r}: {fault}")
    assert found == []


def test_the_address_of_a_database_is_repeated_by_no_command(home: PaperHome) -> None:
    found = []
    for address in DATABASES:
        for words in (("db", "status"), ("session", "list", "--json")):
            said = home.run(*words, environ={"TRIPLEGAIN_DATABASE_URL": address})
            assert said.code in (3, 5), (address, said)
            found += [f"{words} of {address}: {fault}" for fault in [fault_of(said.stdout + said.stderr)] if fault]
    assert found == []


def test_nothing_of_an_address_or_a_key_is_in_log_rows_or_terminal_of_a_session(home: PaperHome) -> None:
    """A place that does not answer, its address full of secrets, and keys that no model takes."""
    place = f"json://u:{SECRET}@127.0.0.1:1/{SECRET}?+X-{SECRET}={SECRET}"
    environ = {"TRIPLEGAIN_NOTIFY_URLS": place, "TRIPLEGAIN_TRADING_MODE": f"live{ESCAPES}", **KEYS}
    del environ["OPENAI_API_KEY"]
    words = ("paper", "--feed", "demo", "--llm", "none", "--session", "told", "--speed", "1")
    with home.running(*words, environ=environ) as running:
        log = home.path / "log" / "told.log"
        missing = "notifications do not arrive at place 1 (json)"
        eventually(lambda: running.is_over or (log.exists() and missing in log.read_text()), "the log's word")
        command = Path(f"/proc/{running.process.pid}/cmdline").read_text()
        ended = running.interrupt()
    with database_of(home):
        rows = assert_rows_tame(home)
    assert ended.code == 0
    everything = "\n".join(
        (ended.stdout, ended.stderr, command, log.read_text(), *(x for each in rows.values() for x in each))
    )
    assert SECRET not in everything
    assert_tame(ended.stdout + ended.stderr + log.read_text(), "terminal and log")
