"""HTTP to addresses that users name."""

"""HTTP to hosts that users name."""
