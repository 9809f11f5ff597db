"""HTTP, one file per resource; errors are mapped once, to problem+json."""
