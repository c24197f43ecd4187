"""Score a finished run again; see lenssr.evaluate."""

from lenssr.evaluate import main

if __name__ == "__main__":
    main()
