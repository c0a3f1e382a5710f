"""From questions to decisions: schedule, rounds, votes, conflicts, the cycle."""
