"""Sequence-to-sequence models for Keras 3, on TensorFlow, JAX and PyTorch.

Importing the package loads nothing else; import the part that you need, for example `s2s_keras.applications`.
"""

__version__ = "0.1.0"

__all__ = [
    "applications",
    "convert",
    "data",
    "decoding",
    "layers",
    "losses",
    "metrics",
    "ops",
    "optimizers",
    "presets",
    "reports",
    "tokenizers",
    "training",
    "visualization",
]
