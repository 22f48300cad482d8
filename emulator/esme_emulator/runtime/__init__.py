"""The ground that every room may use: clocks, events, tasks, processes, files and errors."""
