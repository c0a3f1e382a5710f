"""A made-up market from a seed."""
