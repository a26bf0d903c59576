"""A training as it runs: steps, checkpoints, probes, alarms."""
