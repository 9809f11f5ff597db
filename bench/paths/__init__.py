"""What is measured: one file a path, each with `measure(lab)`, which returns rows of the table."""
