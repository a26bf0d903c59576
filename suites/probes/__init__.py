"""What is read off a model without asking it anything."""
