"""Accounts: sign up, sign in, look up, change, block."""
