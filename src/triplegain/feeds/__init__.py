"""Where market events come from: captures, recordings, the demo market."""
