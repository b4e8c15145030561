"""Servers of rooms on a port of 127.0.0.1, which is the argument of each."""
