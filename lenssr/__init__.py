"""Super-resolution experiments for strong gravitational lensing."""

__version__ = "0.1.0"
__all__ = ["__version__", "load_run"]


def __getattr__(name: str) -> object:
    # torch is heavy; `import lenssr` and `train.py --help` must not pay for it
    if name == "load_run":
        from lenssr.stages import load_run

        return load_run
    raise AttributeError(f"module 'lenssr' has no attribute {name!r}")
