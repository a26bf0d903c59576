"""Numbers in, numbers out: intervals, tests, power."""
