"""The REST door: one flat aiohttp application (spec rest.md)."""
