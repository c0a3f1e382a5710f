"""What the agents see of one market at one moment: facts and figures, the same for all of them, with a hash."""
