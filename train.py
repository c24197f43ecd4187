"""Train and test one configuration: ``python train.py model=rdn loss=mse_aae``."""

from lenssr.train import main

if __name__ == "__main__":
    main()
