"""Training losses: ``loss(prediction, batch)`` returns a dict whose ``loss`` is minimised; the rest is logged.

A loss that needs a trained network overrides ``prepare``, which is called once before training. Configurations name
a loss by its module, so nothing here has to list it.
"""
