"""The built-in suites as they are made, each from a seed: a leaked exam can be replaced by a fresh one."""
