"""The record of who did what, written where no use case can forget it."""
