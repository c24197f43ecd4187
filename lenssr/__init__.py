"""Super-resolution experiments for strong gravitational lensing."""

import sys
from pathlib import Path

from lenssr.system.version import __version__

__all__ = ["__version__", "load", "load_run", "open", "results", "upscale"]

# Hydra finds launchers in a package called hydra_plugins, wherever on the path it lies
sys.path.append(str(Path(__file__).parent / "_plugins"))


def __getattr__(name: str) -> object:
    # torch is heavy; `import lenssr` and `train.py --help` must not pay for it
    if name == "load_run":
        from lenssr.runs.load import load_run

        return load_run
    if name == "load":
        from lenssr.sharing import load

        return load
    if name == "upscale":
        from lenssr.inference import upscale

        return upscale
    if name == "results":
        import importlib

        return importlib.import_module("lenssr.results")
    if name == "open":
        from lenssr.results.look import open_set

        return open_set
    raise AttributeError(f"module 'lenssr' has no attribute {name!r}")
