"""Live data: from what happens to those who may see it."""
