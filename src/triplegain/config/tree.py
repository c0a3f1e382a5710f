"""The whole configuration: one part per file of the `config/` folder."""

from __future__ import annotations

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
