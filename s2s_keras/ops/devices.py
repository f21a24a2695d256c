"""What the backend computes on."""

import keras


def on_cpu():
    """Whether that is a CPU, by default."""
    return keras.distribution.list_devices()[0].startswith("cpu")
