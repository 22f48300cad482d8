"""A meter without I/O: octets and the time in, octets and what became of them out."""
