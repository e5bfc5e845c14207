"""`python -m app`: the same as `smartmeter`."""

from app.cli import main

main()
