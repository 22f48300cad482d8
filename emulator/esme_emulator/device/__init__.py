"""One meter, without I/O: it takes a command and the time, and returns the reply."""
