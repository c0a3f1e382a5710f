"""Who runs when: the cycle from an agent's answer to an order, and the trading session around it."""
