"""Keys of the users of DUIS and of the DSP: from a file of DCC Boxed, or from the seed."""

from collections.abc import Mapping
from dataclasses import dataclass

from esme_emulator.cache.registry.registry import Registry
from esme_emulator.gateway.signature import Signer
from gbcs import EUI, Keystore


@dataclass(frozen=True, slots=True)
class DuisKeys:
    """Who signs documents, and the GBCS keys of the estate with those of the users."""

    signers: Mapping[int, Signer]
    """By serial number; those of users and of the DSP."""
    dsp: Signer
    """Signs our responses."""
    keystore: Keystore
    """GBCS keys: those of the file first, then the estate's. Give it to fleet and cache too."""
    certificates: Mapping[EUI, tuple[bytes, ...]]
    """DER of the GBCS certificates (ka, ds) of each user, for SMKI and for encrypted replies."""
    complaints: tuple[str, ...] = ()
    """One line for each entry of the file that cannot be used."""


def derived_keys(seed: str, keystore: Keystore) -> DuisKeys:
    """Return keys of the emulated users and the DSP, drawn from `seed`."""
    raise NotImplementedError


def file_keys(text: bytes, seed: str, keystore: Keystore) -> DuisKeys:
    """Return the keys in a file of npm's @smartdcc/dccboxed-keystore.

    Bad entries are skipped with a line each in `complaints`. Raises `KeystoreError` if `text` is
    not such a file, or has no private key for the DSP.
    """
    raise NotImplementedError


def duis_registry() -> Registry:
    """Return the registry of the emulated users and of those of DCC Boxed, for every device.

    Give it to the cache too, if the user names no registry file.
    """
    raise NotImplementedError


def export_dccboxed(seed: str, keystore: Keystore) -> str:
    """Return the text of a file of @smartdcc/dccboxed-keystore with the derived keys."""
    raise NotImplementedError
