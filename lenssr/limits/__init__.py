"""What the data allow: the posterior of the numbers that made an image, by the simulator's own likelihood."""
