"""Carries out faults: on connections, on the exchange's state, on instruments; and ends them."""

from __future__ import annotations

import asyncio

from triplegain.domain.errors import InvalidValueError
from triplegain.gateway.asset_pairs import pair_rules
from triplegain.gateway.audience import Audience
from triplegain.gateway.connection import Connection
from triplegain.gateway.faults import SYSTEM_STATES, ArmedFault, ArmedFaults, Fault, FaultKind
from triplegain.gateway.pacing import Player
from triplegain.gateway.requests import INSTRUMENTS
from triplegain.gateway.venue import Venue
from triplegain.venues.kraken.wire.writer import instruments, status


class FaultDesk:
    """`order` puts a fault in force, `clear` takes one or all back; those with a duration end by themselves."""

    def __init__(self, venue: Venue, audience: Audience, player: Player) -> None:
        self.armed = ArmedFaults()
        self._venue = venue
        self._audience = audience
        self._player = player
        self._half_open: dict[int, list[Connection]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def order(self, fault: Fault) -> ArmedFault:
        """Raises InvalidValueError for a symbol that is not served."""
        if fault.symbol and fault.symbol not in self._venue.markets:
            raise InvalidValueError(f"{fault.symbol} is not served here; served are {', '.join(self._venue.markets)}")
        armed = self.armed.arm(fault)
        match fault.kind:
            case FaultKind.DISCONNECT:
                for connection in self._audience.of(fault.symbol):
                    connection.abort()
            case FaultKind.CLOSE:
                for connection in self._audience.of(fault.symbol):
                    self.end(connection, "going away")
            case FaultKind.HALF_OPEN:
                self._half_open[armed.number] = self._audience.of(fault.symbol)
                for connection in self._half_open[armed.number]:
                    connection.half_open = True
                self.armed.hit(armed)
            case FaultKind.INSTRUMENT_STATUS:
                self._set_status(fault.symbol, fault.status)
                self.armed.hit(armed)
            case kind if kind in SYSTEM_STATES:
                self._set_system(kind)
                self.armed.hit(armed)
            case _:
                pass
        return armed

    def happens(self, kind: FaultKind) -> ArmedFault | None:
        """A fault of replies or connects in force; it counts as having happened."""
        return self.armed.happens(kind)

    def clear(self, armed: ArmedFault | None = None) -> None:
        """Takes one fault back, or all."""
        for one in [armed] if armed is not None else self.armed.in_force:
            self.armed.clear(one)
            self._end(one)

    def end_what_is_over(self) -> None:
        """Faults whose time has come, and half-open connections that nobody holds open any more."""
        for armed in self.armed.expired():
            self._end(armed)
        for armed in self.armed.in_force:
            connections = self._half_open.get(armed.number)
            if connections is not None and not any(one.is_open for one in connections):
                self.clear(armed)

    def end(self, connection: Connection, reason: str) -> None:
        """Closes a connection with the handshake, without waiting for it."""
        if connection.is_ending:
            return
        connection.is_ending = True
        task = asyncio.get_running_loop().create_task(connection.close(reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def close(self) -> None:
        for task in self._closing:
            task.cancel()

    def _end(self, armed: ArmedFault) -> None:
        kind = armed.fault.kind
        if kind is FaultKind.HALF_OPEN:
            over = self._half_open.pop(armed.number, [])
            for connection in over:
                connection.half_open = any(connection in others for others in self._half_open.values())
        elif kind is FaultKind.INSTRUMENT_STATUS:
            symbol = armed.fault.symbol
            still = [one.fault for one in self.armed.in_force if one.fault.kind is kind and one.fault.symbol == symbol]
            self._set_status(symbol, still[-1].status if still else "online")
        elif kind in SYSTEM_STATES:
            states = [one.fault.kind for one in self.armed.in_force if one.fault.kind in SYSTEM_STATES]
            self._set_system(states[-1] if states else "online")

    def _set_system(self, system: str) -> None:
        self._venue.system = str(system)
        if system == FaultKind.MAINTENANCE:
            self._player.pause("maintenance")
        else:
            self._player.resume("maintenance")
        self._audience.announce(status(self._venue.system))

    def _set_status(self, symbol: str, said: str) -> None:
        market = self._venue.markets[symbol]
        market.status = said
        self._audience.deliver([(INSTRUMENTS, instruments("update", [pair_rules(market)]))])
