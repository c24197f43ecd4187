"""List runs: ``python scripts/runs.py [model=rdn] [state=done]``; see lenssr.commands.runs."""

from lenssr.commands.runs import main

if __name__ == "__main__":
    main()
