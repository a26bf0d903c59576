"""Rows as a model reads them: tokens, what carries the loss, what is odd about them."""
