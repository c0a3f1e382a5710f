"""How other paper modes would have filled a session's orders, and how much that would have flattered."""
