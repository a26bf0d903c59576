"""Tells it: reads the `v_*` views of a store and renders them; computes nothing."""
