"""Every port over dictionaries: for tests, demos and library users."""
