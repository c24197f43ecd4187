"""Compare every file of a set of images with its checksum: ``python scripts/check.py outputs/datasets``."""

from lenssr.commands.check import main

if __name__ == "__main__":
    main()
