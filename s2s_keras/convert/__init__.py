"""Weights of other toolkits, one module and one name table per toolkit."""

from s2s_keras.convert import open_seq2seq

__all__ = ["open_seq2seq"]
