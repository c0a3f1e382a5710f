"""Recordings of live markets."""
