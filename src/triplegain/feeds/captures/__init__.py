"""Files of recorded markets."""
