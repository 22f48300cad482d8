"""The SRVs that hits are counted by, as the rest of the program has them."""

from esme_emulator.monitor.counted_srvs import counted

__all__ = ["counted"]
