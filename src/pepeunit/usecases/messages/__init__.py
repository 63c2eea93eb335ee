"""What arrives over MQTT: who may connect, publish and subscribe, and where messages go."""
