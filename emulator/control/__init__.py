"""The control interface: what runs, seen and steered over HTTP on loopback.

`emulator.control.app` makes the application over what `emulator.control.parts` names,
`emulator.control.server` serves it. Both import packages that nothing else needs, so they are
imported where a control interface is asked for.
"""
