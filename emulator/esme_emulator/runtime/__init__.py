"""The ground: clocks, tasks, processes, files and errors."""
