"""The pipeline as a process of its own: the inbox of an external broker."""
