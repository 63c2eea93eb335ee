"""What the core asks of the world: protocols and callable aliases, one role per file."""
