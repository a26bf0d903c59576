"""The same recorded answers through this product's gate and through those of others; see `rivals.md` beside it."""
