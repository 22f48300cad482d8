"""Write the tables of docs/faults.md from the registry of faults: `python -m docs.make_faults`.

Knows the form of the tables; the registry has their contents. The prose around them stays.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from esme_emulator.faults.loading import KindDescription, Parameter, kinds, selectors

PAGE = Path(__file__).parent / "faults.md"


def page(text: str) -> str:
    """Return `text`, a page, with its tables replaced by those of the registry."""
    for name, table in (("selectors", _keys(selectors())), ("kinds", _kinds(kinds()))):
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{PAGE.name}: has no one place for {name}")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}{table}{end}{rest.partition(end)[2]}"
    return text


def _keys(parameters: Iterable[Parameter]) -> str:
    rows = [("key", "takes", "default", "meaning"), ("---",) * 4]
    rows += [(f"`{each.key}`", each.takes, _default(each), each.doc) for each in parameters]
    return "".join(map(_line, rows))


def _kinds(known: Iterable[KindDescription]) -> str:
    rows = [("kind", "stage", "parameter", "takes", "default", "meaning"), ("---",) * 6]
    for kind in known:
        rows.append((f"**`{kind.name}`**", kind.stage.name.lower(), "", "", "", kind.doc))
        for each in kind.parameters:
            cells = f"`{each.key}`", each.takes, _default(each), each.doc
            rows.append(("", "", *cells))
    return "".join(map(_line, rows))


def _default(parameter: Parameter) -> str:
    return "" if parameter.default is None else f"`{json.dumps(parameter.default)}`"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
