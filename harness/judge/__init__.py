"""The judge at work: asked in both orders, checked against people, trusted as far as that goes."""
