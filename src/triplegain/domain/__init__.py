"""The words everything else is written in: instruments, money, orders, market events. No I/O."""
