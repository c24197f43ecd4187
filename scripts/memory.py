"""Does a network know other lenses than its own? ``python scripts/memory.py <run>``; see lenssr.results.memory."""

from lenssr.commands.doors import memory

if __name__ == "__main__":
    memory()
