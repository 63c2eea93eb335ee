"""Time series and unit logs in ClickHouse: a server, or the real engine inside the process."""
