"""Which extra of this distribution brings a package that is missing. Imports nothing."""

EXTRAS = {
    "aiomqtt": "emulator",
    "astral": "emulator",
    "click": "emulator",
    "paho": "emulator",
    "pydantic": "emulator",
    "rich": "emulator",
    "amqtt": "broker",
    "fastapi": "control",
    "prometheus_client": "control",
    "starlette": "control",
    "uvicorn": "control",
    "hdrh": "load",
    "jinja2": "report",
    "markupsafe": "report",
    "matplotlib": "report",
    "valkey": "valkey",
}
"""Extras by the packages that are imported."""


def hint(error: ModuleNotFoundError) -> str | None:
    """Return a line that says which extra to install, None if no extra brings the package."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    return f"{package} is not installed: pip install 'esme-emulator[{EXTRAS[package]}]'"
