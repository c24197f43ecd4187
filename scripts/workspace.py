"""Save a W&B workspace for a sweep: ``python scripts/workspace.py <entity> [sweep]``."""

from lenssr.results.workspace import main

if __name__ == "__main__":
    main()
