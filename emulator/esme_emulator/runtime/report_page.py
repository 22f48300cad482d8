"""The pages of reports: HTML files without external resources, in one style, `report.css`."""

from typing import Any

from jinja2 import (
    ChoiceLoader,
    Environment,
    PackageLoader,
    StrictUndefined,
    select_autoescape,
)


def render_page(package: str, folder: str, name: str, **values: Any) -> str:
    """Return the HTML of the template `name` in `folder` of `package`.

    The template includes `report.css` in its style element.
    """
    style = PackageLoader("esme_emulator.runtime", "")
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, folder), style]),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(**values)
