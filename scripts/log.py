"""Send finished runs to W&B or TensorBoard: ``python scripts/log.py ...``; see lenssr.commands.log."""

from lenssr.commands.log import main

if __name__ == "__main__":
    main()
