"""Are the gates seen to block? Faults injected into copies of the record of an experiment."""
