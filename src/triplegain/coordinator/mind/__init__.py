"""The mind of a session: what is due when, who is asked, how votes are counted. `mind.py` is its front."""
