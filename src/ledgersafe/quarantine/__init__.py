"""Parked events, each with a reason, waiting for a person."""
