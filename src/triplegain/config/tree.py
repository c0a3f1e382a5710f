"""The whole configuration: one part per file of the `config/` folder."""

from __future__ import annotations

from pydantic import model_validator

from triplegain.agents.decision import DECISION
from triplegain.config.agents import Agents
from triplegain.config.execution import Execution
from triplegain.config.hodl import Hodl
from triplegain.config.indicators import Indicators
from triplegain.config.infrastructure import Api, Database
from triplegain.config.llm import Llm
from triplegain.config.market import Market
from triplegain.config.orchestration import Orchestration
from triplegain.config.portfolio import Portfolio
from triplegain.config.risk import Risk
from triplegain.config.snapshot import Snapshot
from triplegain.config.values import Section


class Config(Section):
    """Frozen and checked. The name of a field is the name of its file: `execution` is `execution.yaml`."""

    execution: Execution = Execution()
    risk: Risk = Risk()
    market: Market = Market()
    indicators: Indicators = Indicators()
    snapshot: Snapshot = Snapshot()
    agents: Agents = Agents()
    llm: Llm = Llm()
    hodl: Hodl = Hodl()
    orchestration: Orchestration = Orchestration()
    portfolio: Portfolio = Portfolio()
    database: Database = Database()
    api: Api = Api()

    @model_validator(mode="after")
    def _no_more_voters_than_may_vote(self) -> Config:
        named, most = len(getattr(self.llm.roles, DECISION.name)), self.agents.consensus.voters
        if named > most:
            raise ValueError(
                f"llm.roles.decision names {named} models, at most {most} decide: consensus.voters in agents.yaml"
            )
        return self
