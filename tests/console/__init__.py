"""The operators' pages, in a real browser, over real processes."""
