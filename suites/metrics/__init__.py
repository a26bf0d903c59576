"""(Example, Completion) -> Score, and metrics of a whole exam."""
