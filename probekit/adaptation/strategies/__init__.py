"""Fine-tuning strategies, one a file."""
