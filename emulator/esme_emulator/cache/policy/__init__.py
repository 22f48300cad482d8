"""The decisions of the cache. Pure: messages, store answers and the time in, effects out."""
