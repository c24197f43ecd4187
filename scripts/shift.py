"""How does a network fare on skies unlike its own? ``python scripts/shift.py <run>``; see lenssr.commands.shift."""

from lenssr.commands.doors import shift

if __name__ == "__main__":
    shift()
