"""Search over hyper-parameters: ``python train.py -m hparams=rdn``."""
