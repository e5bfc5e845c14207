"""`smartmeter shell`."""

import click

from app import settings
from app.errors import SmartMeterError
from app.topology import Topology

__all__ = ["command"]

BANNER = """
Stored in keyspace {keyspace}: {sources}.

  frame("raw", "2026-11-23", "2026-11-23", line=11, transformer=1)    a data frame
  query("select * from max_voltage limit 5")               any SELECT, as one
  session.execute("…")                                     the driver's session

Two worked examples (`hourly??` shows how one is made):

  hourly(11, 1, "2026-11-23")    a transformer's day by the hour, from raw rows
  labelled(116.0)                the fleet's maxima with the temperature of their epoch
"""


@click.command(short_help="Look at what is stored, in IPython.")
@click.option("-c", "code", help="Run this and end, instead of a prompt.")
def command(code: str | None) -> None:
    r"""Open IPython with the stored tables as data frames, and two worked examples.

    \b
    Example:
      smartmeter shell
      smartmeter shell -c 'print(frame("maxima").describe())'
    """
    try:
        import IPython
        import polars as pl
        from traitlets.config import Config
    except ImportError:
        raise SmartMeterError(
            "the shell needs packages that are not installed: "
            "pip install 'smartmeter-streams[shell]'"
        ) from None
    from app.exports.frames import Frames
    from app.exports.sources import SOURCES
    from app.sinks import schema
    from app.sinks import session as sessions

    values = settings.load()
    keyspace = Topology(values).keyspace
    session = sessions.connect(values.archive)
    try:
        schema.check(session, keyspace)
        session.set_keyspace(keyspace)
        frames = Frames(values)
        names = {
            "pl": pl,
            "polars": pl,
            "session": session,
            "settings": values,
            "frame": frames.frame,
            "query": frames.query,
            "hourly": frames.hourly,
            "labelled": frames.labelled,
        }
        config = Config()
        config.TerminalIPythonApp.display_banner = code is None
        banner = BANNER.format(keyspace=keyspace, sources=", ".join(SOURCES))
        config.TerminalInteractiveShell.banner2 = banner
        config.TerminalInteractiveShell.confirm_exit = False
        arguments = [] if code is None else ["-c", code]
        IPython.start_ipython(argv=arguments, user_ns=names, config=config)
    finally:
        sessions.close(session)
