"""The decision engine: what is due is begun, what is known by rules is answered at once, models are asked in rounds.

Synchronous, in market time. It opens rounds and takes finished ones; who carries the questions to the models and the
replies back is none of its business. An answer that does not come is an abstention, and nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Protocol, assert_never

import msgspec

from triplegain.agents.conflict import CONFLICT
from triplegain.agents.decision import DECISION
from triplegain.agents.rebalance import REBALANCE
from triplegain.agents.regime import REGIME, RegimeMemory
from triplegain.agents.spec import AgentSpec, Flow, MarketAnalysis, Subject, TextAnalysis
from triplegain.agents.technical import TECHNICAL, Bias
from triplegain.decision.by_rules import RuleLooks
from triplegain.decision.degradation import Degradation, Level
from triplegain.decision.rebalance.run import RebalanceRun
from triplegain.decision.record import RecordLog, fitting
from triplegain.decision.rounds import FinishedRound, Round, Rounds
from triplegain.decision.schedule import ConcurrencyLimit, Schedule, Skip
from triplegain.decision.settings import DecisionSettings
from triplegain.decision.signals import Analysts, LatestSignals
from triplegain.decision.voting import AccountView, Voting
from triplegain.domain.clock import NEVER, SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.parts import Parts
from triplegain.llm.reply import ModelAnswer
from triplegain.market.snapshot.sighting import Sighting
from triplegain.market.snapshot.snapshot import NoSnapshot

_AGAIN_NS = SECOND_NS


class Host(AccountView, Protocol):
    """The session around the engine."""

    def sight(self, symbol: str) -> Sighting | NoSnapshot:
        """What rules look at."""
        ...

    @property
    def may_trade(self) -> Skip | None:
        """None while new trades may be decided on; else why not."""
        ...


class EngineState(msgspec.Struct):
    """`running`: rounds of the runs in progress, by task; `waiting`: those without a slot, by agent and subject.

    `owed`, sorted: markets a decision was due on before anything was known of them: it is made up for as soon as
    something is.
    """

    running: dict[str, list[str]] = {}
    waiting: dict[str, tuple[str, str]] = {}
    owed: list[str] = []
    ran_ns: int = 0
    strong_ns: dict[str, int] = {}


class DecisionEngine:
    """Run it at `due_ns`."""

    def __init__(
        self,
        settings: DecisionSettings,
        symbols: Iterable[str],
        record: RecordLog,
        host: Host,
        rebalance: RebalanceRun | None = None,
    ) -> None:
        """`rebalance` None: this session does not rebalance."""
        memory = RegimeMemory(settings.regime_runs_agreeing, settings.regime_model_confidence_min_pct)
        self._agents = settings.agents
        self.signals = LatestSignals(memory, settings.agreement, settings.sentiment, settings.fresh_ns)
        self.rounds = Rounds()
        self.schedule = Schedule(settings.tasks)
        self.degradation = Degradation(settings.degradation)
        self.voting = Voting(settings, self.signals, record, host)
        self.due_ns = NEVER
        self.is_asleep = False
        self._settings = settings
        self._assigned = settings.assigned
        self._providers = tuple(set(settings.assigned.providers.values()))
        self._models = {agent.name: self._assigned.models_of(agent) for agent in (*settings.agents, DECISION)}
        #: Who looks at what in a run of a task: the same in each.
        self._parts_of: dict[str, tuple[tuple[str, AgentSpec], ...]] = {}
        #: What is seen of each market at the moment that is run: all who go by rules look at the same.
        self._seen: dict[str, Sighting | NoSnapshot] = {}
        self._symbols = tuple(symbols)
        self._assets = tuple(dict.fromkeys(symbol.partition("/")[0] for symbol in self._symbols))
        self._host = host
        self._rebalance = rebalance
        self.analysts = Analysts(settings, self.signals, record, RuleLooks(settings.rules))
        self._slots = ConcurrencyLimit(
            {spec.name: spec.concurrency for spec in settings.tasks}, settings.schedule.rounds_at_once
        )
        self._state = EngineState()

    def start(self, now_ns: int) -> None:
        """The market has begun."""
        self.schedule.start(now_ns)
        self._plan()

    def sleep(self) -> None:
        """A stretch of market time is told that nobody was there to think about: until `wake` nothing is due. What was
        missed is then made up for by one run, and rounds whose time is over end."""
        self.is_asleep = True
        self._plan()

    def wake(self) -> None:
        self.is_asleep = False
        self._plan()

    @property
    def level(self) -> Level:
        """How much is left out. One provider of several that fails costs its votes; that all fail costs trading."""
        if not self._providers:
            return Level.NORMAL
        return min(self.degradation.level_of(name) for name in self._providers)

    def deliver(self, round_id: str, model: str, reply: Any, now_ns: int) -> None:
        """A model has replied. It arrives as much later as the model took, and never in what has happened already."""
        opened = self.rounds.get(round_id)
        if opened is not None:
            due_ns = max(now_ns + 1, opened.asked_at_ns + reply.usage.latency_ns)
            self.rounds.deliver(round_id, model, reply, due_ns)
            self._plan()

    def request(self, task: str, now_ns: int) -> None:
        """A run beside the grid. Raises InvalidValueError for a task this session does not have."""
        self.schedule.request(task, now_ns)
        self._plan()

    def give_up(self, reason: str, now_ns: int) -> None:
        """What was decided and is not done yet is not done any more: a halt, an emergency."""
        self.voting.give_up(reason)
        if self._rebalance is not None:
            self._rebalance.give_up(reason, now_ns)

    def run(self, now_ns: int) -> None:
        """Everything that is due by now."""
        for done in self.rounds.collect(now_ns):
            agent = self._agents.get(done.round.kind)
            if agent is None:
                continue
            if isinstance(done, FinishedRound):
                replies = {model: fitting(agent, reply) for model, reply in done.replies.items()}
                self._finished(agent, replace(done, replies=replies), now_ns)
            elif isinstance(fitting(agent, done.answer), ModelAnswer):
                self.voting.late(done, now_ns)
        while ready := self.schedule.ready(now_ns):
            for task in ready:
                self._begin(task, now_ns)
        self.voting.expire(now_ns)
        if self._rebalance is not None:
            self._rebalance.step(now_ns)
        if self.voting.outcomes.next_due_ns <= now_ns:
            self.voting.score(now_ns)
        self._probe(now_ns)
        self._seen.clear()
        self._state.ran_ns = now_ns
        self._plan()

    def _begin(self, task: str, now_ns: int) -> None:
        skip = self.why_skipped(task)
        if skip is not None:
            self.schedule.skipped(task, now_ns, skip)
            return
        self.schedule.began(task, now_ns)
        self._state.running.setdefault(task, [])
        for subject, agent in self._parts(task):
            self._start(agent, task, subject, now_ns)
        self._end_if_over(task)

    def why_skipped(self, task: str) -> Skip | None:
        """Why a run of the task would not take place now; None if it would."""
        agents = self._agents.of_task(task)
        for agent in agents:
            if isinstance(agent.work, Flow) and (why := self._host.may_trade) is not None:
                return why
            if agent.work is Flow.VOTE and not self.level.may_ask(agent.importance):
                return Skip.EMERGENCY
            if agent.work is Flow.REBALANCE and not self.level.may_open:
                return Skip.EMERGENCY
        by_models = not any(agent.goes_by_rules or isinstance(agent.work, Flow) for agent in agents)
        if by_models and not any(self.level.may_ask(agent.importance) for agent in agents):
            return Skip.DEGRADED
        return None

    @property
    def why_no_rebalance(self) -> str:
        """Why no rebalance may trade now, in words; empty while one may."""
        why = self.why_skipped(REBALANCE.name)
        return "" if why is None else f"trading is {why}"

    def _parts(self, task: str) -> tuple[tuple[str, AgentSpec], ...]:
        """Who of the task looks at what, subject by subject: whoever has a model or rules."""
        if task not in self._parts_of:
            self._parts_of[task] = tuple(self._able(task))
        return self._parts_of[task]

    def _able(self, task: str) -> Iterator[tuple[str, AgentSpec]]:
        agents = self._agents.of_task(task)
        if not agents:
            raise InvalidValueError(f"nobody knows how to run the task {task!r}")
        rules = {agent for agent in agents if agent.goes_by_rules or agent.work is Flow.REBALANCE}
        able = [agent for agent in agents if agent in rules or self._assigned.models_of(agent)]
        subjects = {Subject.PAIR: self._symbols, Subject.ASSET: self._assets, Subject.PORTFOLIO: ("",)}
        for kind, each in subjects.items():
            for subject in each:
                yield from ((subject, agent) for agent in able if agent.subject is kind)

    def _start(self, agent: AgentSpec, task: str, subject: str, now_ns: int) -> None:
        """One part of a run: by rules at once, or a round as soon as it has a slot."""
        if agent.work is Flow.REBALANCE:
            self._start_rebalance(now_ns)
            return
        if not self._models[agent.name] or not self.level.may_ask(agent.importance):
            if agent.goes_by_rules:
                if subject not in self._seen:
                    self._seen[subject] = self._host.sight(subject)
                self.analysts.by_rules(agent, subject, self._seen[subject], now_ns)
                self._after_analysis(agent, subject, now_ns)
            return
        if self.rounds.is_open(agent.name, subject) or (agent.name, subject) in self._state.waiting.values():
            return
        round_id = self.rounds.next_id(agent.name)
        self._state.running.setdefault(task, []).append(round_id)
        self._state.waiting[round_id] = (agent.name, subject)
        if self._slots.take(task, round_id):
            self._leave(round_id, now_ns)

    def _start_rebalance(self, now_ns: int) -> None:
        if self._rebalance is None:
            return
        self.analysts.store_last()
        models = self._assigned.models_of(REBALANCE) if self.level.may_ask(REBALANCE.importance) else ()
        round_id = self.rounds.next_id(REBALANCE.name) if models else None
        timeout_ns = self.schedule.specs[REBALANCE.name].timeout_ns
        asked = self._rebalance.start(round_id, next(iter(models), None), self.signals, now_ns, timeout_ns)
        if asked is not None:
            self._state.running.setdefault(REBALANCE.name, []).append(asked.round_id)
            self.rounds.open(asked)

    def _leave(self, round_id: str, now_ns: int) -> None:
        """The round has its slot: what the models are shown is the market of this moment."""
        name, subject = self._state.waiting.pop(round_id)
        agent = self._agents.get(name)
        opened = None if agent is None else self._round(round_id, agent, subject, now_ns)
        if opened is None:
            self._over(round_id, agent, now_ns)
        else:
            self.rounds.open(opened)

    def _round(self, round_id: str, agent: AgentSpec, subject: str, now_ns: int) -> Round | None:
        """None: there is nothing to show, which has been put down."""
        models = self._assigned.models_of(agent)
        if not models:
            # A restart with fewer models: what was to be asked is nobody's any more.
            return None
        assert agent.task is not None
        model, timeout_ns = models[0], self.schedule.specs[agent.task.name].timeout_ns
        seen = None if isinstance(agent.work, TextAnalysis) else self._host.snapshot(subject)
        if isinstance(seen, NoSnapshot):
            if agent.work is Flow.VOTE:
                self._state.owed = sorted({*self._state.owed, subject})
            self._could_not_ask(agent, subject, model, seen.reason, now_ns)
            return None
        try:
            if agent.work is Flow.VOTE and seen is not None:
                self.analysts.store_last(subject)
                return self.voting.decision_round(round_id, subject, seen, now_ns)
            return self.analysts.round(round_id, agent, subject, model, seen, now_ns, timeout_ns)
        except InvalidValueError as error:
            self._could_not_ask(agent, subject, model, str(error), now_ns)
            return None

    def _could_not_ask(self, agent: AgentSpec, subject: str, model: str, reason: str, now_ns: int) -> None:
        if agent.work is Flow.VOTE:
            self.voting.could_not_ask(subject, reason)
        else:
            self.analysts.could_not_ask(agent, subject, model, reason, now_ns)

    def _finished(self, agent: AgentSpec, done: FinishedRound, now_ns: int) -> None:
        self._count(done, now_ns)
        match agent.work:
            case Flow.VOTE:
                # It weighs what the analysts say by now.
                self.analysts.store_last(done.round.subject)
                ask = bool(self._assigned.models_of(CONFLICT)) and self.level.may_ask(CONFLICT.importance)
                question = self.voting.tally(done, now_ns, self.rounds.next_id(CONFLICT.name) if ask else None)
                if question is not None:
                    self.rounds.open(question)
            case Flow.RULING:
                self.voting.ruled(done, now_ns)
            case Flow.REBALANCE:
                if self._rebalance is not None:
                    self._rebalance.chosen(done, now_ns)
            case MarketAnalysis() | TextAnalysis():
                self.analysts.take(agent, done, now_ns)
                self._after_analysis(agent, done.round.subject, now_ns)
            case _:
                assert_never(agent.work)
        self._over(done.round.round_id, agent, now_ns)

    def _after_analysis(self, agent: AgentSpec, subject: str, now_ns: int) -> None:
        """A new technical analysis: a trade that waits is tried again, and a strong signal asks for a decision."""
        if agent is not TECHNICAL:
            return
        if self.level.may_open:
            self.voting.retry(subject)
        if DECISION.name not in self.schedule.specs or self.why_skipped(DECISION.name) is not None:
            return
        if subject in self._state.owed and not isinstance(self._host.snapshot(subject), NoSnapshot):
            self._state.owed.remove(subject)
            self._start(DECISION, DECISION.name, subject, now_ns)
        seen = self.signals.technical(subject, now_ns)
        if seen is None or seen.bias is Bias.NEUTRAL or seen.strength_pct < self._settings.strong_signal_pct:
            return
        rested_ns = self._state.strong_ns.get(subject, 0) + self._settings.strong_signal_pause_ns
        if now_ns >= rested_ns:
            self._state.strong_ns[subject] = now_ns
            self._start(DECISION, DECISION.name, subject, now_ns)

    def _over(self, round_id: str, agent: AgentSpec | None, now_ns: int) -> None:
        """Its slot is free for the next; the run is over with its last round."""
        for leaving in self._slots.give_back(round_id):
            self._leave(leaving, now_ns)
        task = "" if agent is None or agent.task is None else agent.task.name
        if round_id in self._state.running.get(task, ()):
            self._state.running[task].remove(round_id)
            self._end_if_over(task)

    def _end_if_over(self, task: str) -> None:
        if not self._state.running.get(task):
            self._state.running.pop(task, None)
            # A session taken up without models has open rounds of tasks that it does not run any more.
            if task in self.schedule.specs:
                self.schedule.ended(task)

    def _count(self, done: FinishedRound, now_ns: int) -> None:
        """Who answers and who fails, by provider."""
        for model, reply in done.replies.items():
            provider = self._assigned.providers.get(model)
            if provider is None or model in done.undispatched:
                continue
            if isinstance(reply, ModelAnswer):
                self.degradation.succeeded(provider)
            elif reply.kind.of_provider:
                self.degradation.failed(provider, now_ns, f"{reply.kind}: {reply.reason}")

    def _probe(self, now_ns: int) -> None:
        """While everybody fails nobody is asked, so each is tried once in a while: what it answers only shows that
        it answers."""
        if not self._providers or self.level is not Level.EMERGENCY:
            return
        for provider in self.degradation.take_probes(now_ns):
            model = next((name for name, theirs in self._assigned.providers.items() if theirs == provider), None)
            seen = self._host.snapshot(self._symbols[0])
            if model is None or isinstance(seen, NoSnapshot):
                continue
            round_id = self.rounds.next_id("probe")
            timeout_ns = self.schedule.specs[REGIME.name].timeout_ns
            try:
                asked = self.analysts.probe_round(round_id, self._symbols[0], model, seen, now_ns, timeout_ns)
            except InvalidValueError:
                continue
            self.rounds.open(asked)

    def _plan(self) -> None:
        """When there is something to do next. What was due and could not be done (a price is missing, trading is
        paused) is tried again a moment later. Probing needs no time of its own: something is due every minute."""
        again_ns = self.voting.outcomes.next_due_ns
        if self._rebalance is not None:
            again_ns = min(again_ns, self._rebalance.book.next_due_ns)
        if again_ns <= self._state.ran_ns:
            again_ns = self._state.ran_ns + _AGAIN_NS
        due_ns = max(min(self.rounds.due_ns, self.schedule.next_due_ns, again_ns), self._state.ran_ns + 1)
        self.due_ns = NEVER if self.is_asleep else due_ns

    def register(self, parts: Parts) -> None:
        """What a restart needs. The engine's own part comes last: what is due next follows from all of them."""
        self.signals.register(parts, self._agents)
        self.analysts.register(parts)
        self.rounds.register(parts)
        self.schedule.register(parts)
        self._slots.register(parts)
        self.degradation.register(parts)
        self.voting.register(parts)
        if self._rebalance is not None:
            self._rebalance.book.register(parts)
        parts.single("decision.engine", EngineState, lambda: self._state, self._restore)

    def _restore(self, stored: EngineState) -> None:
        self._state = stored
        self.rounds.go_on()
        self._plan()
