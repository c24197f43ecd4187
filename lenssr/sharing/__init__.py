"""Giving a trained model to others: safetensors, configuration, model card, ONNX; and loading one."""

from lenssr.sharing.export import export
from lenssr.sharing.load import load

__all__ = ["export", "load"]
