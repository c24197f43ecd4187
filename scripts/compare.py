"""Compare two runs by the test of the tables: ``python scripts/compare.py ...``; see lenssr.commands.compare."""

from lenssr.commands.compare import main

if __name__ == "__main__":
    main()
