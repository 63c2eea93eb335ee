"""Moving units to their target versions, and the commands that tell them."""
