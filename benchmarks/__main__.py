"""Run all measurements, or the named ones: `python -m benchmarks [codec] [fleet] [reads] ...`."""

import sys

from benchmarks import (
    brokers,
    cache,
    calls,
    codec,
    duis,
    engines,
    fleet,
    journal,
    load,
    own_data,
    page,
    passing,
    proof,
    reads,
    soak,
    stores,
    templates,
)

MEASUREMENTS = {
    "codec": codec.main,
    "templates": templates.main,
    "fleet": fleet.main,
    "own-data": own_data.main,
    "engines": engines.main,
    "reads": reads.main,
    "duis": duis.main,
    "brokers": brokers.main,
    "journal": journal.main,
    "load": load.main,
    "proof": proof.main,
    "soak": soak.main,
    "stores": stores.main,
    "cache": cache.main,
    "page": page.main,
    "passing": passing.main,
    "calls": calls.main,
}


def main() -> None:
    names = sys.argv[1:] or list(MEASUREMENTS)
    for name in names:
        if name not in MEASUREMENTS:
            sys.exit(
                f"benchmarks: {name!r} is not a measurement. Choose from {', '.join(MEASUREMENTS)}"
            )
        MEASUREMENTS[name]()


main()
