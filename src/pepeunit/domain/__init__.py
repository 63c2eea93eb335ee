"""Values and rules: attrs and the standard library. No clock, randomness, settings or I/O."""
