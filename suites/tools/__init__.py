"""Tools that a model may call: what they are, how calls are written, and how a model's own way of it is read."""
