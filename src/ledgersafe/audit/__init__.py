"""Who did what; insert-only."""
