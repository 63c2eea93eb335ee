"""The driving side: doors, and the composition root that knows every class."""
