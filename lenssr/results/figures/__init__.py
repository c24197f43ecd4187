"""Pictures of runs and tables."""
