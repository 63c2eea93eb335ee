"""Names to addresses through the operating system's resolver."""
