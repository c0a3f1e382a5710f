"""Moving the portfolio to target weights."""
