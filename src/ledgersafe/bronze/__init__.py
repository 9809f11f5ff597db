"""Exactly what arrived, forever; insert-only."""
