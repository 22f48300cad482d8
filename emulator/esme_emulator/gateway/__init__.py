"""Front doors other than MQTT: DUIS, the interface of DCC to its users. Pure."""
