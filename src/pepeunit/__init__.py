"""Pepeunit: git repositories become programs for devices, kept up to date over MQTT."""

__version__ = "0.1.0"
