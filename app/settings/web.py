"""The settings of the pages that every process serves."""

from pydantic import Field

from app.settings.base import Encrypted

__all__ = ["Web"]


class Web(Encrypted):
    """Pages of all processes: the web view, /live, /ready and /metrics.

    The certificate is what our own pages show; the CA is whom we trust where we ask
    those of others: a worker the other workers, a command any worker or Prometheus.
    """

    server_name: str = Field(
        "",
        pattern=r"^[a-zA-Z0-9.-]*$",
        description="Name that the certificate of a page must hold; empty: that of its"
        " address, which may be made up where workers come and go.",
    )

    @property
    def scheme(self) -> str:
        """The scheme of the addresses of pages."""
        return "https" if self.is_encrypted else "http"
