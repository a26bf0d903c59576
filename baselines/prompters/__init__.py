"""Ways to prompt, one a file."""
