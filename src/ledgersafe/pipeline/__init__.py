"""The flow, one verb per file; transactions are opened and committed here and nowhere else."""
