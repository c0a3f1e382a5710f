"""The models of a running session: chosen by words, a local one started, money watched, answers taped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from triplegain.app.models import build_models
from triplegain.config import Config
from triplegain.decision.settings import ModelAssignment
from triplegain.domain.clock import Clock
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.quote import QuoteSource
from triplegain.llm.local.installation import LOCAL_TINY, NOTICE
from triplegain.llm.reply import ModelPort
from triplegain.llm.roster import AUTO, NOBODY, only_these
from triplegain.llm.spec import ModelSpec
from triplegain.llm.tape import TapeMode, TapePlayer, TapeRecorder, taped_models
from triplegain.storage.database import Database
from triplegain.storage.model_ledger import ModelLedger


@dataclass(frozen=True, slots=True)
class TapeChoice:
    """`--llm-tape record:PATH` or `replay:PATH`."""

    mode: TapeMode
    path: Path

    @classmethod
    def parse(cls, words: str | None) -> TapeChoice | None:
        """Raises InvalidValueError for anything else."""
        if words is None:
            return None
        mode, _, path = words.partition(":")
        if mode not in (TapeMode.RECORD, TapeMode.REPLAY) or not path:
            raise InvalidValueError(f"--llm-tape reads record:PATH or replay:PATH, this is {words!r}")
        return cls(TapeMode(mode), Path(path))


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """What was asked for: `words` of `--llm` (None: by the kind of market), a tape, whether the market is hurried."""

    words: str | None = None
    tape: TapeChoice | None = None
    hurried: bool = False


@dataclass(eq=False, repr=False)
class SessionModels:
    """Opened once for a run; sessions that follow each other in it share the models. `aclose` in the same loop."""

    _choice: ModelChoice
    _config: Config
    _environ: Mapping[str, str]
    _home: Path
    _database: Database
    _clock: Clock
    _tell: Callable[[str], None]
    #: Who plays which part, and who is asked; nobody before `open`.
    assigned: ModelAssignment = field(default_factory=ModelAssignment, init=False)
    port: ModelPort | None = field(default=None, init=False)
    banner: tuple[str, ...] = field(default=(), init=False)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)

    def __post_init__(self) -> None:
        self._ledger = ModelLedger(self._database, self._config.budget)

    @property
    def warning(self) -> str:
        """What a person should know about today's cost; empty below the mark."""
        return self._ledger.warning

    def words(self, source: QuoteSource) -> str:
        """What `--llm` means: a market that is replayed or hurried costs money only if somebody says so."""
        if self._choice.words is not None:
            return self._choice.words
        for_free = source is QuoteSource.REPLAY or self._choice.hurried
        return NOBODY if for_free and self._choice.tape is None else AUTO

    async def open(self, config: Config, source: QuoteSource, symbols: tuple[str, ...]) -> None:
        """Make them ready for a market, as `config` has them.

        Raises ModelsError, LocalModelError or TapeError with what to do.
        """
        if self.port is not None:
            return
        words, tape = self.words(source), self._choice.tape
        replayed = tape is not None and tape.mode is TapeMode.REPLAY
        local = None if replayed else await self._local(words)
        built = await build_models(
            config,
            self._environ,
            self._ledger,
            self._clock,
            words,
            local=local,
            through=self._through if tape else None,
            taped=taped_models(tape.path) if tape is not None and replayed else None,
            symbols=len(symbols),
            assets=len({symbol.partition("/")[0] for symbol in symbols}),
        )
        self._stack.push_async_callback(built.aclose)
        self.assigned, self.port, self.banner = built.assigned, built.port, built.banner
        if words == NOBODY:
            return
        if not built.roster.present:
            self._tell(f"{self.banner[0]} `tg models list` says who could.")
            for line in built.roster.invitations:
                self._tell(line)
            return
        for line in self.banner:
            self._tell(line)

    async def _local(self, words: str) -> ModelSpec | None:
        """Our own small model, started if it was named."""
        if LOCAL_TINY.name not in (only_these(words) or ()):
            return None
        from triplegain.llm.local.supervisor import LocalModel

        self._tell(NOTICE)
        model = await LocalModel.start(self._home, clock=self._clock, tell=self._tell)
        self._stack.push_async_callback(model.stop)
        return model.spec

    def _through(self, port: ModelPort, specs: Mapping[str, ModelSpec]) -> ModelPort:
        choice = self._choice.tape
        assert choice is not None
        if choice.mode is TapeMode.REPLAY:
            return TapePlayer(choice.path, specs)
        recorder = TapeRecorder(choice.path, specs, port)
        self._stack.callback(recorder.close)
        return recorder

    async def aclose(self) -> None:
        await self._stack.aclose()
