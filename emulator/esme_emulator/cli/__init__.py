"""The commands of `esme`, a module for each topic; `cli.py` puts them together."""
