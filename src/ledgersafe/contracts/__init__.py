"""What a valid event is: the envelope, and one file per event type."""
