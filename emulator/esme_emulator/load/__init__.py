"""Load: driving any broker that speaks the topics, at a planned rate, with honest latency."""
