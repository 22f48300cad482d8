"""DLMS Data: typed values, read and written in A-XDR.

Knows the data types of the DLMS Green Book that GBCS uses, and compact-array. `DATA` is the
construct schema; it is one hand-tuned construct rather than a tree of them, because a command
holds some thirty values and each construct on the way costs more than a value does.

Source: DLMS UA 1000-2 (Green Book) clause 9.5; gbcs-wire facts checked on the vectors.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import construct

from gbcs.axdr import read_length, write_length
from gbcs.dlms.compact_array import CompactArray, description_length
from gbcs.errors import DecodeError

MAX_DEPTH = 24
"""Values nested deeper than this are refused; the deepest vector has 9."""


class DataType(IntEnum):
    """Tags of DLMS Data."""

    NULL_DATA = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
