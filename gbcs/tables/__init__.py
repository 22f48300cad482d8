"""Tables of the specification, as data with their source."""
