"""Errors that a user can correct, and hints for packages that are not installed.

Imports nothing, so that it works when a package is missing.
"""


class UserError(Exception):
    """An error that the user can correct; each line of the text names one mistake and its cure."""


class NamedFileError(UserError):
    """A file that the user named, and that has wrong content or cannot be read."""


class MisuseError(UserError):
    """Input that is wrong by itself, whatever meters, brokers or files there are."""


EXTRAS = {
    "aiomqtt": "emulator",
    "astral": "emulator",
    "click": "emulator",
    "mqtt5": "emulator",
    "paho": "emulator",
    "pydantic": "emulator",
    "rich": "emulator",
    "iotcore": "broker",
    "amqtt": "mqtt3",
    "fastapi": "control",
    "fastapi_offline": "control",
    "prometheus_client": "control",
    "starlette": "control",
    "uvicorn": "control",
    "httpx": "duis",
    "lxml": "duis",
    "signxml": "duis",
    "hdrh": "load",
    "jinja2": "report",
    "markupsafe": "report",
    "matplotlib": "report",
    "valkey": "valkey",
}
"""The extra of this distribution that installs a package, by the package's import name."""


def hint(error: ModuleNotFoundError) -> str | None:
    """Return a line that says which extra to install, or None if no extra has the package."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    return f"{package} is not installed: pip install 'esme-emulator[{EXTRAS[package]}]'"
