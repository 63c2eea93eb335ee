"""Git remotes: register, mirror, read their history, hold credentials for them."""
