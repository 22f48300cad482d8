"""Tables of the specification, as data that cite their sources.

Long ones are CSV files that `gbcs.tables.table` reads; the others are Python.
"""
