"""Write the tables from finished runs: ``python scripts/tables.py [table ...] [override ...]``."""

from lenssr.results.write import main

if __name__ == "__main__":
    main()
