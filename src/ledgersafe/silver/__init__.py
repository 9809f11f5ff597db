"""Typed, valid, counted once: every posting of every transaction, and where each transaction stands."""
