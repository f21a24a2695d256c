"""Stateless functions on `keras.ops`, and reading audio."""
