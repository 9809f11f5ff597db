"""Which keys were seen, and what became of them."""
