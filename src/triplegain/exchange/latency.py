"""How long what is sent travels."""

from __future__ import annotations

from triplegain.exchange.seeded import draw
from triplegain.exchange.settings import ExchangeSettings


class Latency:
    """Fixed delays plus an optional seeded jitter, drawn in the order of the messages."""

    def __init__(self, settings: ExchangeSettings) -> None:
        self.place_ns = settings.place_delay_ns
        self.cancel_ns = settings.cancel_delay_ns
        self._response_ns = settings.response_delay_ns
        self._jitter_ns = settings.jitter_ns
        self._seed = settings.seed
        self.draws = 0

    def _jitter(self) -> int:
        if not self._jitter_ns:
            return 0
        self.draws += 1
        return draw(self._seed, self.draws) % (self._jitter_ns + 1)

    def place(self) -> int:
        return self.place_ns + self._jitter()

    def cancel(self) -> int:
        return self.cancel_ns + self._jitter()

    def response(self) -> int:
        return self._response_ns + self._jitter() if self._jitter_ns else self._response_ns
