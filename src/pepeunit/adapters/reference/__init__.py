"""The database of the reference platform, read once to move away from it."""
