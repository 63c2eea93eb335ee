"""Who asks, what may be seen and done: visibility, permissions, the policy and list scopes."""
