"""Draw one sky through every instrument: ``python scripts/instruments.py -o docs/assets/instruments.png``."""

from __future__ import annotations

import argparse
from pathlib import Path

from lenssr.system.commands import command


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--to", type=Path, default=Path("outputs/instruments.png"), help="the PNG [%(default)s]")
    parser.add_argument("--sky", type=int, default=1, help="number of the test sky [%(default)s]")
    parser.add_argument("--field", type=float, default=8.0, help="its width in arcsec [%(default)s]")
    arguments = parser.parse_args()

    def work() -> None:
        from lenssr.results.figures.instruments import figure

        print(figure(arguments.to, arguments.sky, arguments.field))

    command(work)


if __name__ == "__main__":
    main()
