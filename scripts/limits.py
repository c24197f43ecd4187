"""Are the posteriors behind a limit right? ``python scripts/limits.py <run>``; see lenssr.results.limits."""

from lenssr.results.limits import main

if __name__ == "__main__":
    main()
