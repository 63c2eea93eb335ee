"""One verb each; the only layer that opens transactions and calls ports."""
