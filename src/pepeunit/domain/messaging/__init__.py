"""The topic grammar and the commands that travel over MQTT."""
