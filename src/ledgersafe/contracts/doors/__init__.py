"""How the shape that each door takes is mapped onto the one envelope; one file per shape."""
