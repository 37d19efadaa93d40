"""Attention: what every head looks at, tested against baselines; and the pictures of it."""
