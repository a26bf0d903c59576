"""The demo on a model that people know: messages in real English, and what `harness init --real` makes of them."""
