"""The report of a proof: its result as HTML, Markdown, JUnit XML, CSV and JSON."""
