"""The style guide as tests that fail and name the fix."""
