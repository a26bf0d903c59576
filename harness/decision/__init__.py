"""Comparisons and a policy -> gates -> a decision. Pure: no store, no model, no clock."""
