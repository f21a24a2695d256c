"""Models of other toolkits, one module and one name table per toolkit."""

from s2s_keras.convert import nemo, open_seq2seq

__all__ = ["nemo", "open_seq2seq"]
