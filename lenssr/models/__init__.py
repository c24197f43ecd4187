"""One architecture per file. A super-resolution model maps (B, 1, h, w) to (B, 1, scale * h, scale * w).

Configurations name a model by its module (``lenssr.models.rdn.RDN``), so that nothing here has to list it and none
pays for the imports of another.
"""
