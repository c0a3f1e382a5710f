"""A local Kraken: recorded markets served over Kraken's own REST and WebSocket v2 interfaces, with faults on demand."""
