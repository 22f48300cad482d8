"""The HTTP control interface: shows and steers the parts of this process, on loopback only.

`app` makes the ASGI application over the parts that `esme_emulator.monitor.parts` describes, and
`server` serves it. Both import packages of the extra `control`, so import them only on demand.
"""
