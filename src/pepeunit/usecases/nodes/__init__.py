"""Inputs and outputs: look up, change, set an input, link."""
