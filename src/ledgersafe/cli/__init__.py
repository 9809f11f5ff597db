"""Operator commands, one file per noun."""
