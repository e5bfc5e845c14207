"""TLS of our clients and of our pages: who is trusted, and what is shown."""

import os
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from app.errors import SettingsError
from app.settings import variable
from app.settings.base import Encrypted
from app.settings.web import Web

if TYPE_CHECKING:
    from aiohttp import ClientConnectorCertificateError

__all__ = [
    "distrust",
    "pages_context",
    "pages_trust",
    "tls_context",
    "trust_trouble",
]


class HangsUp(ssl.SSLObject):
    """An end of TLS that says goodbye and does not wait for the answer.

    A broker that is busy with a request of ours hears it late, and asyncio would keep
    the connection for 30 s: a bridge stood still for so long before it took its lanes.
    """

    def unwrap(self) -> None:
        """Say that nothing more comes."""
        with suppress(ssl.SSLWantReadError):
            super().unwrap()


def tls_context(name: str, section: Encrypted) -> ssl.SSLContext:
    """Return a client's context, which checks the other side, its name included.

    Args:
        name: Of the section, named where one of its settings is wrong.
        section: Whom to trust, and what to show of ourselves.

    Raises:
        SettingsError: One of them is not what it should be; names the variable.
    """
    try:
        context = ssl.create_default_context(cadata=section.authorities or None)
    except (ssl.SSLError, ValueError):
        raise SettingsError(
            f"{variable(name, 'ca')}: holds no PEM certificates"
        ) from None
    context.sslobject_class = HangsUp
    if section.shown:
        _show(context, name, section.shown)
    return context


def pages_context(web: Web) -> ssl.SSLContext | None:
    """Return what our own pages are served with; None where they are not encrypted.

    Raises:
        SettingsError: They are to be encrypted, and there is no certificate for it.
    """
    if not web.is_encrypted:
        return None
    if not web.shown:
        raise SettingsError(
            f"{variable('web', 'certificate')}: missing: without one the pages of this"
            f" process cannot be encrypted, as {variable('web', 'tls')} or …__CA asks"
        )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.sslobject_class = HangsUp
    _show(context, "web", web.shown)
    return context


def pages_trust(web: Web) -> ssl.SSLContext | Literal[True]:
    """Return whom to trust where pages are asked for, as aiohttp takes it."""
    return tls_context("web", web) if web.is_encrypted else True


def _show(context: ssl.SSLContext, name: str, certificate: str) -> None:
    """Load a certificate and its key, which OpenSSL takes from a path alone."""
    memory = os.memfd_create("certificate")  # a key is never written to a disk
    with os.fdopen(memory, "wb") as opened:
        opened.write(certificate.encode() + b"\n")
        opened.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{memory}", password=_no_password)
        except (ssl.SSLError, NoPassword):
            raise SettingsError(
                f"{variable(name, 'certificate')}: holds no PEM certificate with"
                " its own unencrypted key"
            ) from None


class NoPassword(Exception):
    """A key is encrypted; OpenSSL would ask for its password at the terminal."""


def _no_password() -> str:
    raise NoPassword


def distrust(error: "ClientConnectorCertificateError") -> str:
    """Return in words why a page is not asked for what it knows."""
    cause = error.certificate_error
    reason = getattr(cause, "verify_message", "") or str(cause)
    return trust_trouble(reason, "web")


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
