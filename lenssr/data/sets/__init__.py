"""Sets of images on disk: simulated, imported, labelled."""
