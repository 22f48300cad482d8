"""EUI-64 identifiers of devices, remote parties and the Access Control Broker."""

import re

_TEXT = re.compile(r"[0-9A-Fa-f]{16}")


class EUI(bytes):
    """An EUI-64: eight octets, shown as 16 upper-case hexadecimal digits.

    >>> EUI.parse("00db1234567890a0")
    EUI('00DB1234567890A0')
    >>> str(EUI.from_int(0x00DBE50000000001))
    '00DBE50000000001'
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "EUI":
        """Return the EUI written in `text`; hyphens, colons and case do not matter.

        Raises `ValueError` unless `text` is 16 hexadecimal digits.
        """
        digits = text.strip().replace("-", "").replace(":", "")
        if not _TEXT.fullmatch(digits):
            raise ValueError(f"{text!r} is not an EUI-64: give 16 hexadecimal digits")
        return cls.fromhex(digits)

    @classmethod
    def from_int(cls, number: int) -> "EUI":
        """Return the EUI whose octets are `number`, big-endian.

        Raises `ValueError` unless `number` has 64 bits, unsigned.
        """
        if not 0 <= number < 1 << 64:
            raise ValueError(f"{number} is not an EUI-64: give a number from 0 to 2^64 - 1")
        return cls(number.to_bytes(8, "big"))

    def __int__(self) -> int:
        return int.from_bytes(self, "big")

    def __str__(self) -> str:
        return self.hex().upper()

    def __repr__(self) -> str:
        return f"EUI('{self}')"

    def __format__(self, spec: str) -> str:
        text = self.hex().upper()
        return format(text, spec) if spec else text
