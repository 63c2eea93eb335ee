"""The relational collections in PostgreSQL, through SQLAlchemy Core."""
