"""What the commands say beside their results, on stderr."""

from rich.console import Console

aside = Console(stderr=True, soft_wrap=True, markup=False, emoji=False)


def warn(warnings: list[str]) -> None:
    """Say what is likely to be a mistake, a line each, and go on."""
    for warning in warnings:
        aside.print(f"esme: {warning}", highlight=False, style="yellow")
