"""Output for people: tables, charts and progress."""
