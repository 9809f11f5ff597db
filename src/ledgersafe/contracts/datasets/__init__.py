"""What a valid file of a dataset is: its columns, its rules, what becomes of bad rows, and how rows become events."""
