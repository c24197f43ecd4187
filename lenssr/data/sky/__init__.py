"""From physical parameters to the noise-free image of a lens."""
