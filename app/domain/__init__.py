"""The pure heart: standard library and NumPy only, no I/O, no clock, no settings."""
