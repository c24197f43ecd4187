"""May a network's images be trusted? ``python scripts/trust.py <run>``; see lenssr.results.trust.report."""

from lenssr.commands.doors import trust

if __name__ == "__main__":
    trust()
