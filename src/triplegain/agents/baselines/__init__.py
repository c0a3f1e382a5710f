"""Traders without a model: what every model must beat."""
