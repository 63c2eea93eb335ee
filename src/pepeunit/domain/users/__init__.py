"""Registered people and the rules of their logins and passwords."""
