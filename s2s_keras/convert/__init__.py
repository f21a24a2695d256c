"""Models of other toolkits, one module and one name table per toolkit."""

from s2s_keras.convert import nemo, nvidia, open_seq2seq

__all__ = ["nemo", "nvidia", "open_seq2seq"]
