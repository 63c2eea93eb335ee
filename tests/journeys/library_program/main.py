"""A device program on the published library, as its users write them."""

import time

from pepeunit_client import PepeunitClient, RestartMode

RELEASE = 1
last_output = 0.0
greeting = None


def on_input(client, message):
    print(f"input {message.topic} = {message.payload}", flush=True)


def on_output(client):
    global last_output, greeting  # noqa: PLW0603
    if greeting != client.settings.GREETING:
        greeting = client.settings.GREETING
        print(f"greeting {greeting}", flush=True)
    if time.time() - last_output >= 0.5:
        last_output = time.time()
        client.publish_to_topics("counter/pepeunit", str(int(last_output)))


client = PepeunitClient(
    env_file_path="env.json",
    schema_file_path="schema.json",
    log_file_path="log.json",
    enable_mqtt=True,
    enable_rest=True,
    restart_mode=RestartMode.RESTART_EXEC,
)
client.set_mqtt_input_handler(on_input)
client.mqtt_client.connect()
client.subscribe_all_schema_topics()
client.set_output_handler(on_output)
client.logger.info(f"release {RELEASE} is up")
print(f"release {RELEASE}, commit {client.settings.PU_COMMIT_VERSION}", flush=True)
client.run_main_cycle()
