"""Keystores: keys by EUI, and the secret that two parties share.

A `Keystore` has two methods: the private and the public key of an EUI for a usage. `FileKeystore`
reads them from a file; subclass `Keystore` for any other source. The static-static ECDH secret
follows from the keys and is cached by pair, since it is the same for every message between the two
(GBCS v4.1 clause 4.3.3). Either private key yields it, so no program needs both.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from gbcs.crypto.certificate import point, read_certificate
from gbcs.errors import KeystoreError
from gbcs.eui import EUI
from gbcs.octet_text import text_of

CURVE = ec.SECP256R1()
MAX_SECRETS = 65_536
"""Shared secrets in the cache of a keystore; the oldest is dropped first."""


class KeyUsage(StrEnum):
    """The use of a key, with its name in a keystore file."""

    KEY_AGREEMENT = "ka"
    DIGITAL_SIGNATURE = "ds"
    PREPAYMENT_KEY_AGREEMENT = "pp_ka"


class Keystore(ABC):
    """Keys by EUI. Subclass it for your own keys; both methods may return None.

    >>> keystore = FileKeystore({})
    >>> keystore.shared_secret(EUI(8), EUI(8)) is None
    True
    """

    access_control_broker = EUI.parse("90B3D51F30000002")
    """The ACB, whose key authenticates every command. Source: the vectors."""

    takes_expired = False
    """Whether certificates in messages are accepted outside their dates too. Off by default: for a
    party without a key in the keystore, the certificate is the only evidence, and its dates are
    part of it. DCC's own test certificates ended in October 2025, hence the choice."""

    def __init__(self) -> None:
        self._secrets: dict[tuple[EUI, EUI, bytes], bytes | None] = {}

    @abstractmethod
    def private_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePrivateKey | None:
        """Return the private key of `eui` for `usage`, None if the keystore lacks it."""

    @abstractmethod
    def public_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePublicKey | None:
        """Return the public key of `eui` for `usage`, None if the keystore lacks it."""

    def shared_secret(self, one: EUI, other: EUI, certificate: bytes = b"") -> bytes | None:
        """Return Z, the 32 octets that `one` and `other` share, None if a key is missing.

        `certificate` is the DER certificate of `other`'s key-agreement key, if the message carries
        one. It counts only if the keystore lacks that key: anybody can make a certificate in
        another party's name, so it must not replace a key.

        Raises `KeystoreError` if the certificate is not one of `other`, or if its key differs from
        the one in the keystore.
        """
        brought = None
        if certificate:
            brought = read_certificate(certificate)
            if brought.eui != other:
                raise KeystoreError(f"a certificate of {brought.eui} instead of {other}")
        # Cached by key and not by certificate: certificates can be long, and many for one key.
        if brought is not None:
            pair = (one, other, brought.point)
        else:
            # The secret is the same in both directions, so the pair is sorted.
            pair = (one, other, b"") if one < other else (other, one, b"")
        try:
            return self._secrets[pair]
        except KeyError:
            pass
        secret = self._agree(one, other, brought.key if brought is not None else None)
        # A missing key is cached too, as None: anybody can send messages from unknown parties.
        if len(self._secrets) >= MAX_SECRETS:
            del self._secrets[next(iter(self._secrets))]
        self._secrets[pair] = secret
        return secret

    def _agree(
        self, one: EUI, other: EUI, brought: ec.EllipticCurvePublicKey | None
    ) -> bytes | None:
        usage = KeyUsage.KEY_AGREEMENT
        # A key in the keystore wins over the certificate, which must agree with it.
        held = self.public_key(other, usage)
        if brought is not None and held is not None and not _same_key(brought, held):
            raise KeystoreError(f"a certificate whose key is not that of {other} in the keystore")
        private, public = self.private_key(one, usage), held or brought
        if private is None and (brought is None or held is not None):
            private, public = self.private_key(other, usage), self.public_key(one, usage)
        if private is None or public is None:
            return None
        return private.exchange(ec.ECDH(), public)


class FileKeystore(Keystore):
    """Keys from a keystore file: `{eui: {ka|ds|pp_ka: {private, public}}}` in hex.

    Private keys are raw P-256 scalars of 32 octets, public keys uncompressed points of 65. An
    absent public key is derived from the private one.
    """

    def __init__(self, entries: dict[str, dict[str, dict[str, str]]]) -> None:
        """Take the parsed JSON. Raises `KeystoreError` with the name of an entry that is wrong."""
        super().__init__()
        self._private: dict[tuple[EUI, KeyUsage], ec.EllipticCurvePrivateKey] = {}
        self._public: dict[tuple[EUI, KeyUsage], ec.EllipticCurvePublicKey] = {}
        self._euis: list[EUI] = []
        if not isinstance(entries, dict):
            raise KeystoreError("a keystore is a JSON object with EUIs as keys")
        for name, usages in entries.items():
            try:
                self._add(EUI.parse(name), usages)
            except (AttributeError, TypeError, ValueError) as error:
                raise KeystoreError(f"keystore entry {name!r}: {error}") from None

    @classmethod
    def load(cls, path: Path) -> "FileKeystore":
        """Read a keystore file. Raises `KeystoreError` if it cannot be read or is not one."""
        try:
            content = path.read_bytes()
            return cls(json.loads(text_of(content) or ""))
        except OSError as error:
            raise KeystoreError(f"keystore {path}: {error.strerror}") from None
        except (RecursionError, ValueError) as error:
            raise KeystoreError(f"keystore {path} is not JSON: {error}") from None
        except KeystoreError as error:
            raise KeystoreError(f"{path}: {error}") from None

    def _add(self, eui: EUI, usages: dict[str, dict[str, str]]) -> None:
        self._euis.append(eui)
        for name, keys in usages.items():
            usage = KeyUsage(name)
            if "private" in keys:
                private = ec.derive_private_key(int(keys["private"], 16), CURVE)
                self._private[eui, usage] = private
                self._public[eui, usage] = private.public_key()
            if "public" in keys:
                public = ec.EllipticCurvePublicKey.from_encoded_point(
                    CURVE, bytes.fromhex(keys["public"])
                )
                if not _same_key(self._public.setdefault((eui, usage), public), public):
                    raise ValueError(f"the public key of {name} does not match its private key")

    def __iter__(self) -> Iterator[EUI]:
        """Yield the EUIs in the order of the file."""
        return iter(self._euis)

    def private_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePrivateKey | None:
        """Return the private key of `eui` for `usage`, None if the file lacks it."""
        return self._private.get((eui, usage))

    def public_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePublicKey | None:
        """Return the public key of `eui` for `usage`, None if the file lacks it."""
        return self._public.get((eui, usage))


def _same_key(
    one: ec.EllipticCurvePublicKey | None, other: ec.EllipticCurvePublicKey | None
) -> bool:
    return one is other or (one is not None and other is not None and point(one) == point(other))
