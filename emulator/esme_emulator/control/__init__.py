"""The control interface: what runs, seen and steered over HTTP on loopback.

`esme_emulator.control.app` makes the application over what `esme_emulator.monitor.parts` names,
`esme_emulator.control.server` serves it. Both import packages that nothing else needs, so they are
imported where a control interface is asked for.
"""
