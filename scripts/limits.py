"""Are the posteriors behind a limit right? ``python scripts/limits.py <run>``; see lenssr.results.limits."""

from lenssr.commands.doors import limits

if __name__ == "__main__":
    limits()
