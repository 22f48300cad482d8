"""`python -m esme_emulator` is `esme`."""

from esme_emulator.cli.main import main

main()
