"""The REST contract as types: requests in, read models out (spec rest.md 3-6)."""
