"""A unit's inputs and outputs and the edges between them."""
