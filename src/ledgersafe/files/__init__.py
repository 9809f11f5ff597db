"""Deliveries: files that were received, the contracts they are judged by, their bad rows, and curated tables."""
