"""From an acknowledged message to a stored row, on memory ports."""
