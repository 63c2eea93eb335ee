"""HTTP to hosts that users name."""
