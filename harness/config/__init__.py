"""experiment.yaml as typed settings."""
