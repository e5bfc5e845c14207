"""`python -m bridge`: the same as `smartmeter bridge`."""

import sys

from app import settings
from app.errors import SmartMeterError
from bridge import service

try:
    service.run(settings.load())
except SmartMeterError as error:
    sys.stderr.write(f"bridge: {error}\n")
    sys.exit(error.exit_code)
