"""Make a set of images: ``python scripts/simulate.py dataset=model1 dataset.source.splits.train=100000``."""

from lenssr.commands.simulate import main

if __name__ == "__main__":
    main()
