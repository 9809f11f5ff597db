"""One file per event type; adding a file adds the type."""
