"""What a call costs: configured prices, else the list of genai-prices that comes with its package (no network)."""

from __future__ import annotations

from decimal import Decimal

from triplegain.domain.money import EXACT, ceil_to
from triplegain.llm.spec import ModelSpec
from triplegain.llm.wire import Question

_MILLION = Decimal(1_000_000)
_STEP = Decimal("0.000000001")
_ZERO = Decimal(0)


def cost_usd(spec: ModelSpec, tokens_in: int, tokens_out: int, searches: int = 0) -> Decimal | None:
    """USD for so many tokens, rounded up; None: nobody knows the price. Discounts for cached prompts are left out."""
    if spec.local:
        return _ZERO
    found = _configured(spec, tokens_in, tokens_out)
    if found is None:
        found = _listed(spec, tokens_in, tokens_out)
    return None if found is None else ceil_to(EXACT.add(found, searches * spec.search_usd), _STEP)


def worst_case_usd(question: Question) -> Decimal | None:
    """The most one send can cost; None: nobody knows the price.

    With tools the provider reads what it finds, too: as much as the model's configuration allows for.
    """
    spec = question.spec
    searches = spec.searches_max if question.tools else 0
    tokens_in = question.tokens_in_max + searches * spec.search_tokens
    return cost_usd(spec, tokens_in, spec.max_output_tokens, searches)


def _configured(spec: ModelSpec, tokens_in: int, tokens_out: int) -> Decimal | None:
    if spec.price_in is None or spec.price_out is None:
        return None
    return (tokens_in * spec.price_in + tokens_out * spec.price_out) / _MILLION


def _listed(spec: ModelSpec, tokens_in: int, tokens_out: int) -> Decimal | None:
    if not spec.provider.listed or spec.base_url:
        # Another address is another seller.
        return None
    # A third of a second of importing.
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out)
    try:
        found = calc_price(usage, model_ref=spec.model, provider_id=spec.provider.listed)
    except LookupError:
        return None
    return found.total_price
