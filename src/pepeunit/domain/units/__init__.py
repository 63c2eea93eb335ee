"""Devices: their env, schema, state, logs and the updates they receive."""
