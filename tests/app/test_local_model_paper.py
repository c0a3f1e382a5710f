"""The whole cycle with a real model, and a real model as the obedient victim of every known injection."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import pytest
from tests.app.paper_process import PaperHome, eventually
from tests.app.stored_record import ask, check_record, database_of

from triplegain.llm.local.errors import LocalModelError
from triplegain.llm.local.installation import find_installation
from triplegain.llm.local.weights import LOCAL_TINY, NOTICE

#: What CI gives a cycle from the command to the prompt after it.
_CYCLE_S = 60.0
_VOTES = """
SELECT v.symbol, v.model, v.model_id, v.action, v.failure, v.snapshot_hash, c.status, c.provider, c.response, c.request
FROM paper_votes v JOIN paper_decisions d ON d.session_id = v.session_id AND d.number = v.decision_number
JOIN model_calls c ON c.session_id = v.session_id AND c.request_id = v.request_id
WHERE v.session_id = $1 ORDER BY v.number, c.started_at
"""


@pytest.fixture(scope="module")
def installed() -> None:
    """Skips where the model is not installed, except in CI, where it must be."""
    try:
        find_installation()
    except LocalModelError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def servers_of(home: PaperHome) -> list[int]:
    """Processes whose complaints go to the log of this home's local model."""
    logs, found = str(home.path / "local-model"), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(process / "fd" / "2").startswith(logs):
                found.append(int(process.name))
    return found


@pytest.mark.slow
def test_a_whole_cycle_with_the_real_small_model_takes_less_than_a_minute(
    installed: None, shared_home: PaperHome
) -> None:
    began = time.monotonic()
    words = ("paper", "--feed", "demo", "--speed", "max", "--duration", "90s", "--llm", "local-tiny")
    with shared_home.running(*words, "--session", "cycle", "--json") as running:
        eventually(lambda: servers_of(shared_home), "the local model's server")
        finished = running.wait()
    took_s = time.monotonic() - began
    summary = finished.answer
    assert took_s < _CYCLE_S
    assert NOTICE in finished.stderr
    assert "Models: local-tiny (1 vote)" in finished.stderr
    assert summary["models"] == ["local-tiny"]
    assert (summary["llm_cost_usd"], summary["halted"]) == ("0", False)
    # One decision in each market, at the beginning.
    assert summary["runs"]["decision"] == 1
    assert summary["decisions"] + summary["abstentions"] == 3
    with database_of(shared_home) as url:
        check_record(url, "cycle")
        rows = ask(url, _VOTES, "cycle")
    by_symbol = {row["symbol"]: row for row in rows}
    assert set(by_symbol) == {"BTC/USDT", "XRP/USDT", "XRP/BTC"}
    for row in by_symbol.values():
        assert (row["model"], row["model_id"], row["provider"]) == ("local-tiny", LOCAL_TINY.model_id, "local")
        assert row["response"] and row["request"] and row["snapshot_hash"]
        # It may break its form and abstains then; what counts is put down as it was said.
        assert row["action"] == "abstain" if row["failure"] else row["status"] == "answered"
    assert any(row["failure"] == "" for row in by_symbol.values()), [dict(row) for row in rows]
    assert servers_of(shared_home) == []
