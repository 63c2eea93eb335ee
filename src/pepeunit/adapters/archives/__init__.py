"""Archives that devices download, packed from git objects."""
