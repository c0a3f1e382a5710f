"""What models answered, played again without them: the same session to the hash, and never a guess."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.app.thinking_models import SIX, ThinkingServer, leans, thinking_paper, write_config
from tests.llm.fake_provider import Do

from triplegain.llm.roster import ModelsError

pytestmark = pytest.mark.filterwarnings("ignore:Sampling parameters:UserWarning")

_DURATION = "150s"


@contextmanager
def without_connections() -> Iterator[list[Any]]:
    """Addresses somebody wanted a connection to, each refused; the database is reached through a file."""
    wanted: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        connect = socket.socket.connect

        def refuse(self: socket.socket, address: Any) -> None:
            if self.family == socket.AF_UNIX:
                connect(self, address)
                return
            wanted.append(address)
            raise ConnectionRefusedError("no connections in a replay")

        patch.setattr(socket.socket, "connect", refuse)
        yield wanted


async def record(url: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A session with the fake server, one of whose models fails now and then. The server is gone after it."""
    async with ThinkingServer() as server:
        server.says = lambda asked: Do.FAIL if asked.model == "grok" and asked.number % 3 == 0 else leans(asked)
        config = write_config(folder / "config", server.url)
        tape = f"record:{folder / 'tape'}"
        async with thinking_paper(url, config, folder, duration=_DURATION, llm_tape=tape) as paper:
            await paper.system.run()
            return config, await paper.outcome()


async def replay(url: str, config: Path, folder: Path, **options: Any) -> dict[str, Any]:
    """The tape of `folder` without a key, and no connection that could be used."""
    tape = f"replay:{folder / 'tape'}"
    with without_connections() as wanted:
        async with thinking_paper(
            url, config, folder, duration=_DURATION, environ={}, llm_tape=tape, session="replayed", **options
        ) as paper:
            await paper.system.run()
            assert await paper.rows("model_calls", "call_id") == []
            assert paper.system.models.banner[-1].startswith("Their answers are on the tape")
            found = await paper.outcome()
    assert wanted == []
    return found


async def test_a_session_plays_again_from_its_tape_without_keys_or_connections(
    database_url: str, tmp_path: Path
) -> None:
    config, recorded = await record(database_url, tmp_path)
    outcomes = Counter(decision["outcome"] for decision in recorded["paper_decisions"])
    failures = Counter(vote["failure"] for vote in recorded["paper_votes"])
    assert outcomes["sent"] >= 3 and failures["server_error"] >= 6 and failures[""] >= 100
    assert await replay(database_url, config, tmp_path) == recorded


@pytest.mark.slow
async def test_another_market_has_other_questions_and_no_answer_is_made_up(database_url: str, tmp_path: Path) -> None:
    config, recorded = await record(database_url, tmp_path)
    found = await replay(database_url, config, tmp_path, seed=2)
    votes = found["paper_votes"]
    assert len(votes) == len(recorded["paper_votes"])
    assert {(vote["action"], vote["failure"]) for vote in votes} == {("abstain", "not_on_tape")}
    assert {decision["outcome"] for decision in found["paper_decisions"]} <= {"abstained", "held"}
    assert found["fills"] != recorded["fills"]


@pytest.mark.slow
async def test_a_model_of_the_tape_that_is_not_configured_any_more_stops_the_replay(
    database_url: str, tmp_path: Path
) -> None:
    """With one voter less the votes would count differently, and it would be another session."""
    config, _ = await record(database_url, tmp_path)
    llm = yaml.safe_load((config / "llm.yaml").read_text())
    del llm["models"]["opus"], llm["options"]["opus"]
    llm["roles"]["decision"] = [name for name in SIX if name != "opus"]
    (config / "llm.yaml").write_text(yaml.safe_dump(llm))
    with pytest.raises(ModelsError, match="no model is called opus"):
        await replay(database_url, config, tmp_path)
