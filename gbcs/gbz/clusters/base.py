"""The form of a cluster table: a name, commands each way, and names of attributes.

Knows none of the content. A command without written fields has a name and no layout: its payload
stays octets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import construct

from gbcs.records import Record
from gbcs.wire import Schema


@dataclass(frozen=True, slots=True)
class Command:
    """A ZCL command: its name, and the layout of its payload if known."""

    name: str
    layout: Schema | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A ZCL cluster: the commands to its server, those to its client, and its attributes."""

    identifier: int
    name: str
    to_server: Mapping[int, Command] = field(default_factory=dict)
    to_client: Mapping[int, Command] = field(default_factory=dict)
    attributes: Mapping[int, str] = field(default_factory=dict)


def command(name: str, *fields: construct.Construct) -> Command:
    """Return a command with these named fields; without any, its payload is empty."""
    return Command(name, Schema(name, Record(*fields)))


def names(table: Mapping[int, str]) -> dict[int, Command]:
    """Return commands without a layout."""
    return {identifier: Command(name) for identifier, name in table.items()}
