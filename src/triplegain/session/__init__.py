"""One run of one session: its loop, its runner, commands, the record."""
