"""What can go wrong while the local stack is started, in one line for a person."""

__all__ = ["LauncherError"]


class LauncherError(Exception):
    """The stack cannot do what was asked; the message says what to do about it."""
