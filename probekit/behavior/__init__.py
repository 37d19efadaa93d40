"""What a model does: suites judged, texts predicted, layer by layer where wanted, beside baselines."""
