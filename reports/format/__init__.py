"""Numbers and text, made safe for every page."""
