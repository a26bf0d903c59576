"""Training by other processes, other programs, and fine-tuning APIs."""
