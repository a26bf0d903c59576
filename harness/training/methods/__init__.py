"""What is trained, and on what loss: one family of methods a file."""
