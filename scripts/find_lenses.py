"""Rank cutouts by how likely each shows a lens: ``python scripts/find_lenses.py <run> *.fits -o scores.parquet``."""

from lenssr.commands.doors import find_lenses

if __name__ == "__main__":
    find_lenses()
