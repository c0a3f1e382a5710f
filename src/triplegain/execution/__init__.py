"""From an approved intent to an order, and from fills to positions: the venue's one door, the `Broker` protocol."""
