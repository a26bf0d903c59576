"""What fits into memory: what passes keep is counted, and a step is made in passes that there is room for."""
