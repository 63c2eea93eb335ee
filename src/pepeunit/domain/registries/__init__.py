"""Known git remotes, their credentials and the versions found in them."""
