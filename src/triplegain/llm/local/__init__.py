"""A small language model of our own on this machine, in a process and an environment of its own."""
