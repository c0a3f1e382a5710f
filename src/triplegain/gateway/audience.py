"""Who listens to what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from triplegain.gateway.connection import Connection
from triplegain.gateway.served_market import Outgoing, Topic
from triplegain.gateway.venue import Venue


class Audience:
    """The open connections and their subscriptions. A market writes frames only for topics that somebody listens to."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._listeners: dict[Topic, dict[Connection, None]] = {}
        self._connections: dict[Connection, None] = {}

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._connections))

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def is_listening(self) -> bool:
        return bool(self._listeners)

    def enter(self, connection: Connection) -> None:
        self._connections[connection] = None

    def leave(self, connection: Connection) -> None:
        for topic in tuple(connection.topics):
            self.unsubscribe(connection, topic)
        self._connections.pop(connection, None)

    def subscribe(self, connection: Connection, topic: Topic) -> None:
        connection.topics[topic] = None
        listeners = self._listeners.setdefault(topic, {})
        if not listeners and (market := self._venue.markets.get(topic[1])) is not None:
            market.listen(topic)
        listeners[connection] = None

    def unsubscribe(self, connection: Connection, topic: Topic) -> None:
        connection.topics.pop(topic, None)
        listeners = self._listeners.get(topic, {})
        listeners.pop(connection, None)
        if not listeners and self._listeners.pop(topic, None) is not None:
            market = self._venue.markets.get(topic[1])
            if market is not None:
                market.leave(topic)

    def of(self, symbol: str) -> list[Connection]:
        """Connections that listen to something of the symbol; all of them for an empty one."""
        return [one for one in self if not symbol or any(topic[1] == symbol for topic in one.topics)]

    def deliver(self, frames: Iterable[Outgoing]) -> None:
        listeners = self._listeners
        for topic, frame in frames:
            for connection in listeners.get(topic, ()):
                connection.tell(topic, frame)

    def announce(self, frame: bytes) -> None:
        """Something everybody is told, such as the exchange's state."""
        for connection in self:
            connection.answer(frame)
