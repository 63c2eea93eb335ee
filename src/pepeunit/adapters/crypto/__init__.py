"""Signing, encryption at rest and password hashing with well-known libraries."""
