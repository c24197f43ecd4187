"""How often the tables' test errs, by simulation: ``python scripts/error_rates.py``; docs/how/statistics.md has it.

Networks that differ by their seeds alone (0.4 dB from training to training, 0.3 dB from image to image beside what all
share, 240 test images) are compared as a table compares its rows; then one that is better by two of these 0.4 dB.
"""

from itertools import combinations

import numpy as np

from lenssr.results.tables.statistics import compare, holm

SPREAD, RESIDUE, IMAGES, ROWS = 0.4, 0.3, 240, 10
PAIRS, TABLES = 4000, 1000


def trained(rng: np.random.Generator, rows: int, seeds: int, shift: float = 0.0) -> list[np.ndarray]:
    """Return the scores (seeds, images) of networks, the first of which is better by a shift."""
    images = rng.normal(0, 1, IMAGES)
    noise = (rng.normal(0, SPREAD, (seeds, 1)) + rng.normal(0, RESIDUE, (seeds, IMAGES)) for _ in range(rows))
    return [images + own + shift * (row == 0) for row, own in enumerate(noise)]


def main() -> None:
    """Print the rates as a Markdown table."""
    print(
        "| trainings | pairs called different | tables of ten with any | two spreads are found |\n|---:|---:|---:|---:|"
    )
    for seeds in (2, 3, 5, 8, 10):
        rng = np.random.default_rng(seeds)
        alike = np.mean([compare(*trained(rng, 2, seeds)).p < 0.05 for _ in range(PAIRS)])
        wrong = 0
        for _ in range(TABLES):
            rows = trained(rng, ROWS, seeds)
            wrong += holm([compare(one, other).p for one, other in combinations(rows, 2)]).min() < 0.05
        found = np.mean([compare(*trained(rng, 2, seeds, 2 * SPREAD)).p < 0.05 for _ in range(PAIRS)])
        print(f"| {seeds} | {100 * alike:.1f} % | {100 * wrong / TABLES:.1f} % | {100 * found:.0f} % |", flush=True)


if __name__ == "__main__":
    main()
