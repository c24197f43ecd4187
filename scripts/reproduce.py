"""Reproduce the report: ``python scripts/reproduce.py [table ...] [override ...]``; see lenssr.results.reproduce."""

from lenssr.results.reproduce import main

if __name__ == "__main__":
    main()
