"""Many meters behind one door: queues, networks, latency, counters."""
