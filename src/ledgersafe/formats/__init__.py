"""How bytes become rows of text: one file of `kinds` a format, and the folder is the list."""
