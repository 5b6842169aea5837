"""Whole venues of real processes, for tests of every kind."""
