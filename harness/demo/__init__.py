"""The embedded default: a tiny world, a model pretrained on it, and two experiments that use them."""
