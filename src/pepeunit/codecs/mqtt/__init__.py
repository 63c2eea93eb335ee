"""MQTT 3.1.1 and 5 as bytes: a sans-io codec (OASIS MQTT 3.1.1 and 5.0, rulings 28).

::

    wire        numbers and text on the wire, reason codes, Malformed
    properties  every MQTT 5 property: its form and where it may stand
    packets     one tuple per packet
    decode      packet bodies -> packets
    stream      Decoder: a stream of bytes -> packets, limits checked before a payload is held
    encode      packets -> bytes

It serves the endpoint and a small client alike; nothing here reads a socket or a clock.
"""
