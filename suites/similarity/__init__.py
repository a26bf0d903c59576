"""Which texts are alike: near-duplicates by character 5-grams, and long runs of the same words."""
