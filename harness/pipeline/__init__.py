"""The stages of an experiment, one a module, and their order."""
