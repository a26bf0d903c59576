"""What the rows of a batch begin with alike is read once: same loss, same gradients, fewer tokens."""
