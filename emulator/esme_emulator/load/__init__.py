"""Loads: send requests to any broker at a planned rate, and measure latency from planned times."""
