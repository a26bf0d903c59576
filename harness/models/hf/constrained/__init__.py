"""Answers held to a constraint while they are decoded: labels by a trie of tokens, schemas and patterns by grammar."""
