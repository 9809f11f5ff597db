"""What the paths are held against: each peer does the same work in another way, as well as it can be done that way."""
