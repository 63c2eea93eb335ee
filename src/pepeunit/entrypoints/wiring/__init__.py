"""Every use case built once from the ports, in the order in which they need each other."""
