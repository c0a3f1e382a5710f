"""`agents.yaml`: who answers, and how each is tuned."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field, model_validator

from triplegain.config.baselines import BuyAndHold, EqualWeight, RandomTrader, Trader
from triplegain.config.values import AtLeastOne, CandleLength, Fraction, Percent, Positive, Section, Word


class CandleLengths(Section):
    """Candle of the trader without a model by feed, where `--candle` does not say: 1s, 5m, 1h, 1d, or auto."""

    live: CandleLength = Field("1h", description="on the live feed")
    demo: CandleLength = Field("1s", description="on the demo market")
    replay: CandleLength = Field("auto", description="on a capture; auto: the longest that gives at least 200 candles")


class BaselineEma(Section):
    """The EMA cross that trades without any model, and the yardstick for every model."""

    enabled: bool = Field(True, description="false: it takes no part")
    fast: AtLeastOne = Field(9, description="candles of the fast average")
    slow: AtLeastOne = Field(21, description="candles of the slow average")
    confidence: Fraction = Field(Decimal("0.75"), description="confidence of each of its signals")
    atr_period: AtLeastOne = Field(14, description="candles of the average true range")
    stop_atr_multiple: Positive = Field(Decimal(2), description="distance of the stop in ATR")
    stop_min_pct: Annotated[Percent, Field(gt=0)] = Field(
        Decimal("0.5"), description="least distance of the stop, in percent of the entry"
    )
    target_stop_multiple: Positive = Field(Decimal(2), description="distance of the target in distances of the stop")
    candle_length: CandleLengths = CandleLengths()

    @model_validator(mode="after")
    def _fast_is_faster(self) -> BaselineEma:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")
        return self


class Technical(Section):
    """Technical analysis without a model."""

    rsi_long: Percent = Field(Decimal(60), description="long above this RSI with a MACD histogram above 0")
    rsi_short: Percent = Field(Decimal(40), description="short below this RSI with a MACD histogram below 0")
    confidence: Fraction = Field(Decimal("0.25"), description="confidence of the rules")

    @model_validator(mode="after")
    def _short_is_below_long(self) -> Technical:
        if self.rsi_short > self.rsi_long:
            raise ValueError(f"rsi_short ({self.rsi_short}) must not be above rsi_long ({self.rsi_long})")
        return self


class RegimeAgent(Section):
    """The regime of each pair: rules without a model, and when an answer begins to hold."""

    adx_trending: Percent = Field(
        Decimal(25), description="trending above this ADX, bull or bear by the RSI's side of 50"
    )
    choppiness_choppy: Percent = Field(Decimal(60), description="choppy above this choppiness, else ranging")
    confidence: Fraction = Field(Decimal("0.40"), description="confidence of the rules")
    runs_agreeing: AtLeastOne = Field(2, description="runs in a row that must agree before a regime holds")
    model_confidence_min: Fraction = Field(Decimal("0.70"), description="a model's answer below this changes nothing")


class SentimentAgent(Section):
    """Social and news sentiment: how the two are combined, and how far they reach."""

    social_weight: Positive = Field(Decimal("0.6"), description="weight of what people write")
    news_weight: Positive = Field(Decimal("0.6"), description="weight of the news")
    size_min: Fraction = Field(
        Decimal("0.75"), description="the worst sentiment leaves this share of a buy; it can do nothing else"
    )


class ConsensusOfModels(Section):
    """How many models decide, and what agreement adds to their confidence, counted over all that were asked.

    It adds nothing where fewer are asked. The names are of six voters; of seven, `boost_six` is for all seven.
    """

    voters: AtLeastOne = Field(6, description="so many models decide at most; agreement adds where so many were asked")
    boost_six: Fraction = Field(Decimal("0.15"), description="all of them agree")
    boost_five: Fraction = Field(Decimal("0.10"), description="all but one agree")
    boost_four: Fraction = Field(Decimal("0.05"), description="all but two agree")

    @model_validator(mode="after")
    def _more_agreement_adds_more(self) -> ConsensusOfModels:
        if not self.boost_four <= self.boost_five <= self.boost_six:
            raise ValueError("boost_four, boost_five and boost_six must not fall")
        return self


class Agents(Section):
    """One section per agent."""

    trader: Annotated[Trader, Word] = Field(
        Trader.AUTO,
        description="models, ema, buy_and_hold, equal_weight or random; auto: models where any may vote, else ema",
    )
    baseline_ema: BaselineEma = BaselineEma()
    buy_and_hold: BuyAndHold = BuyAndHold()
    equal_weight: EqualWeight = EqualWeight()
    random: RandomTrader = RandomTrader()
    technical: Technical = Technical()
    regime: RegimeAgent = RegimeAgent()
    sentiment: SentimentAgent = SentimentAgent()
    consensus: ConsensusOfModels = ConsensusOfModels()

    @model_validator(mode="after")
    def _the_trader_takes_part(self) -> Agents:
        if self.trader is Trader.EMA and not self.baseline_ema.enabled:
            raise ValueError("trader is ema, but baseline_ema.enabled is false")
        return self
