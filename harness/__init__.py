"""Runs and decides: models, training, comparison, decision, store, command line. Nothing imports `harness`."""

__version__ = "0.2.0"
