"""TLS of every client of ours: whom it trusts, and what it shows of itself."""

import os
import ssl
from contextlib import suppress

from app.errors import SettingsError
from app.settings import variable

__all__ = ["tls_context", "trust_trouble"]


class HangsUp(ssl.SSLObject):
    """An end of TLS that says goodbye and does not wait for the answer.

    A broker that is busy with a request of ours hears it late, and asyncio would keep
    the connection for 30 s: a bridge stood still for so long before it took its lanes.
    """

    def unwrap(self) -> None:
        """Say that nothing more comes."""
        with suppress(ssl.SSLWantReadError):
            super().unwrap()


def tls_context(
    section: str, *, authorities: str, certificate: str = ""
) -> ssl.SSLContext:
    """Return a context that checks the other side, its name included.

    Args:
        section: Of the settings, named where one of them is wrong.
        authorities: Certificates (PEM) to trust; empty: those of the system.
        certificate: Our own certificate and its key (PEM); empty: we show none.

    Raises:
        SettingsError: One of them is not what it should be; names the variable.
    """
    try:
        context = ssl.create_default_context(cadata=authorities or None)
    except (ssl.SSLError, ValueError):
        raise SettingsError(
            f"{variable(section, 'ca')}: holds no PEM certificates"
        ) from None
    context.sslobject_class = HangsUp
    if certificate:
        try:
            _show(context, certificate)
        except ssl.SSLError:
            raise SettingsError(
                f"{variable(section, 'certificate')}: holds no PEM certificate with"
                " its own unencrypted key"
            ) from None
    return context


def _show(context: ssl.SSLContext, certificate: str) -> None:
    """Load a certificate and its key, which OpenSSL takes from a path alone."""
    memory = os.memfd_create("certificate")  # a key is never written to a disk
    with os.fdopen(memory, "wb") as opened:
        opened.write(certificate.encode() + b"\n")
        opened.flush()
        context.load_cert_chain(f"/proc/self/fd/{memory}")


def trust_trouble(reason: str, section: str) -> str:
    """Return in words why a server is not trusted, and which setting decides it.

    Args:
        reason: OpenSSL's, as `SSLCertVerificationError.verify_message` has it.
        section: Of the settings.
    """
    reason = reason.strip().rstrip(".")
    hint = f"see {variable(section, 'ca')}"
    if "expired" in reason or "not yet valid" in reason:
        hint = "renew it there, or set this machine's clock"
    return f"shows a certificate that is not trusted ({reason}): {hint}"
