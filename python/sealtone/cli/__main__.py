"""`python -m sealtone.cli`."""

from sealtone.cli.main import main

main()
