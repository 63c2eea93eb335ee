"""What is told to people and programs that watch, the moment it happens."""
