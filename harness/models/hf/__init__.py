"""Hugging Face models in this process: loading, chat templates, and the engine that reads shared text once."""
