"""A fleet of meters: queues, networks, latency, counters."""
