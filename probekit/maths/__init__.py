"""Pure functions on arrays: scores, resampling, curves. numpy and scipy only."""
