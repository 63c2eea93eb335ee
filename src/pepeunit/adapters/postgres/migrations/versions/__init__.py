"""One revision a file, named in the order they run."""
