"""How long what is sent travels: three models behind one interface. Durations in nanoseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from triplegain.exchange.seeded import DRAW_BITS, draw
from triplegain.exchange.settings import ExchangeSettings

#: The next of the uniform 64-bit integers that a session draws; each has a number of its own.
Draw = Callable[[], int]


class DelayModel(Protocol):
    """What a message takes that is set to take `usual_ns`. Messages ask in their order, and draw as they need to."""

    def delay_ns(self, usual_ns: int, drawn: Draw) -> int: ...


class Fixed:
    """As set, always."""

    def delay_ns(self, usual_ns: int, drawn: Draw) -> int:
        return usual_ns


@dataclass(frozen=True, slots=True)
class Uniform:
    """As set, and 0 to `jitter_ns` more, each as likely."""

    jitter_ns: int

    def delay_ns(self, usual_ns: int, drawn: Draw) -> int:
        return usual_ns + drawn() % (self.jitter_ns + 1)


@dataclass(frozen=True, slots=True)
class Recorded:
    """As measured, whatever is set: the inverse of the distribution function at a uniform draw.

    `rising` are equally spaced quantiles, the least and the largest among them; between two it goes in proportion,
    rounded down.
    """

    rising: tuple[int, ...]

    def delay_ns(self, usual_ns: int, drawn: Draw) -> int:
        place = drawn() * (len(self.rising) - 1)
        lower = self.rising[place >> DRAW_BITS]
        part = place & ((1 << DRAW_BITS) - 1)
        if not part:
            return lower
        upper = self.rising[(place >> DRAW_BITS) + 1]
        return lower + ((upper - lower) * part >> DRAW_BITS)


def delay_model(settings: ExchangeSettings) -> DelayModel:
    if settings.recorded_delays_ns:
        return Recorded(settings.recorded_delays_ns)
    if settings.jitter_ns:
        return Uniform(settings.jitter_ns)
    return Fixed()


class Latency:
    """Of one account. `draws` counts the random numbers used: all that a restart needs."""

    def __init__(self, settings: ExchangeSettings) -> None:
        self.place_ns = settings.place_delay_ns
        self.cancel_ns = settings.cancel_delay_ns
        self._delay_ns = delay_model(settings).delay_ns
        self._seed = settings.seed
        self.draws = 0
        #: What an answer takes.
        self.response: Callable[[], int] = partial(self._delay_ns, settings.response_delay_ns, self._draw)

    def _draw(self) -> int:
        self.draws += 1
        return draw(self._seed, self.draws)

    def place(self) -> int:
        return self._delay_ns(self.place_ns, self._draw)

    def cancel(self) -> int:
        return self._delay_ns(self.cancel_ns, self._draw)
