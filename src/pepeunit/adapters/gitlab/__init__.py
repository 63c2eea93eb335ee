"""GitLab's web API over aiohttp."""
