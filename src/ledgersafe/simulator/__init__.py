"""Seeded fake stores that send real traffic, faults included; over HTTP only."""
