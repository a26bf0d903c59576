"""One arm on one exam: asked, marked, chosen on validation, stopped early."""
