"""How the jobs of a sweep are run."""
