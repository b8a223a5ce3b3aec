"""Language models that start from somebody else's weights: loading, tuning, merging, conversion."""
