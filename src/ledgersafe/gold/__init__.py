"""Answers, made of what was posted and rebuildable from it: one file a table in `tables`."""
