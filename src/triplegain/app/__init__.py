"""The composition root: configuration becomes rooms, rooms become a running system."""
