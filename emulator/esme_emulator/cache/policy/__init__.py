"""The decisions of the cache: pure, octets and the time in, effects out."""
