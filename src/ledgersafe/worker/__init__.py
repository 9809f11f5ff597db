"""Take work, do it, repeat; and the schedule."""
