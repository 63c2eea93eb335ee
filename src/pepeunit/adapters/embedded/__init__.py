"""What a single machine needs of its own: PostgreSQL from a wheel, journal files, their folder."""
