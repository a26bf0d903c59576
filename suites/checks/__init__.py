"""What is wrong with the data -> Findings, and a mended copy of the training rows."""
