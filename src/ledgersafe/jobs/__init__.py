"""The schedule's state: which job is due, who runs it, how its last run ended."""
