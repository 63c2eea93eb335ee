"""The MQTT endpoint: the door for devices."""
