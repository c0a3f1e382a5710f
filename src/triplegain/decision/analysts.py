"""The analysts at work: by rules or by a model, each as its `AgentSpec` says."""

from __future__ import annotations

from triplegain.agents.answer import Abstain
from triplegain.agents.evidence import bundle
from triplegain.agents.regime import REGIME, regime_prompt
from triplegain.agents.spec import AgentSpec, MarketAnalysis, TextAnalysis
from triplegain.decision.opinions import Opinions
from triplegain.decision.record import MindRecord, analysis_record, answered
from triplegain.decision.rounds import FinishedRound, Round
from triplegain.decision.settings import MindSettings
from triplegain.domain.money import text
from triplegain.market.snapshot.compact import compact
from triplegain.market.snapshot.snapshot import Glance, NoSnapshot, Snapshot


class Analysts:
    """Answers go to `opinions` and, like abstentions, to the record."""

    def __init__(self, settings: MindSettings, opinions: Opinions, record: MindRecord) -> None:
        self._settings = settings
        self._opinions = opinions
        self._record = record

    def by_rules(self, agent: AgentSpec, symbol: str, seen: Glance | NoSnapshot, now_ns: int) -> None:
        """One look without a model; nothing where the agent has no rules."""
        if not isinstance(agent.work, MarketAnalysis) or agent.work.rules is None:
            return
        if isinstance(seen, NoSnapshot):
            self._record.put(analysis_record(agent.name, symbol, Abstain(seen.reason), now_ns))
            return
        answer = agent.work.rules(seen, self._settings.rules.get(agent.name))
        self._opinions.hear(agent, symbol, answer, now_ns, by_model=False)
        self._record.put(analysis_record(agent.name, symbol, answer, now_ns))

    def market_round(
        self,
        round_id: str,
        agent: AgentSpec,
        work: MarketAnalysis,
        symbol: str,
        model: str,
        seen: Snapshot,
        now_ns: int,
        timeout_ns: int,
    ) -> Round:
        """A question about a market to one model. Raises InvalidValueError if its budget holds no snapshot."""
        rendered = compact(seen, self._settings.cast.market_budget(model))
        return Round(
            round_id=round_id,
            kind=agent.name,
            subject=symbol,
            prompts={model: work.prompt(rendered, seen)},
            asked_at_ns=now_ns,
            deadline_ns=now_ns + timeout_ns,
            tools=agent.tools,
            snapshot_hash=seen.hash,
            price=seen.price.mark,
        )

    def probe_round(
        self, round_id: str, symbol: str, model: str, seen: Snapshot, now_ns: int, timeout_ns: int
    ) -> Round:
        """A question that only asks whether somebody answers; nobody listens to what."""
        prompt = regime_prompt(f"price {text(seen.price.mark)}", seen)
        deadline_ns = now_ns + timeout_ns
        return Round(round_id, REGIME.name, symbol, {model: prompt}, now_ns, deadline_ns, notes={"probe": True})

    def text_round(
        self, round_id: str, agent: AgentSpec, work: TextAnalysis, asset: str, model: str, now_ns: int, timeout_ns: int
    ) -> Round:
        """A question about what strangers write: on the evidence there is, and only there what is in it counts.

        Without any the model looks for itself, with its provider's search.
        """
        evidence = bundle(self._settings.evidence.find(agent.name, asset, now_ns), now_ns)
        return Round(
            round_id=round_id,
            kind=agent.name,
            subject=asset,
            prompts={model: work.prompt(asset, now_ns, evidence)},
            asked_at_ns=now_ns,
            deadline_ns=now_ns + timeout_ns,
            tools=frozenset() if evidence.items else agent.tools,
            snapshot_hash=evidence.hash if evidence.items else "",
        )

    def take(self, agent: AgentSpec, finished: FinishedRound, now_ns: int) -> None:
        """What the model of a round answered, or that it did not."""
        asked = finished.round
        ((model, reply),) = finished.replies.items()
        answer = answered(agent.answer, reply)
        if not asked.notes.get("probe"):
            self._opinions.hear(agent, asked.subject, answer, asked.asked_at_ns, by_model=True)
        told = (model, asked.snapshot_hash, asked.request_id(model), reply.usage.latency_ns)
        self._record.put(analysis_record(agent.name, asked.subject, answer, now_ns, *told))

    def could_not_ask(self, agent: AgentSpec, subject: str, model: str, reason: str, now_ns: int) -> None:
        """There was nothing to show the model."""
        self._record.put(analysis_record(agent.name, subject, Abstain(reason), now_ns, model))
