"""HTTP on loopback: what is stored, and commands to the running session."""
