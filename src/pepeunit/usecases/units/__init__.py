"""Devices: create, look up, change, and everything a device downloads."""
