"""Does a network know other lenses than its own? ``python scripts/memory.py <run>``; see lenssr.results.memory."""

from lenssr.results.memory import main

if __name__ == "__main__":
    main()
