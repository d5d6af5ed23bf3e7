"""Mundap beside its rivals: the same weights, sheet and messages, each in an environment of its own."""
