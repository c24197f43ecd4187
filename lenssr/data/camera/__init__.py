"""From a noise-free image to what a telescope records."""
