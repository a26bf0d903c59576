"""Which rows or passages say most about a question, and what of them a prompt shows."""
