"""Train a small Transformer from nothing, so that what it learned can be held against what it read."""
