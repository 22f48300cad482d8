"""The report of a proof: one result in the forms that people and machines read."""
