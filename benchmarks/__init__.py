"""Measured against peers, in one process, as ratios."""
