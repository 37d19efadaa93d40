"""Feature-extraction strategies, one a file."""
