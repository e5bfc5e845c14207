"""A private authority, and the certificates that it issues, for tests and demos.

    ca.crt, ca.key            the authority; keep the key where no server can read it
    server.crt, server.key    what a server shows; server.pem holds both in one file
    client-NAME.pem           what a client shows: its certificate and its key

Keys are elliptic (P-256), as PKCS #8 in PEM, which nats-server, Kafka, Cassandra and
OpenSSL all read. Only their owner can read what holds one.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.errors import SmartMeterError

__all__ = ["CertificatesRefused", "issue"]

CLOCKS_APART = timedelta(hours=1)  # a machine whose clock is behind must trust it too
AUTHORITY_LIFE_MIN = timedelta(days=3_650)
OWNER_ONLY, ALL_MAY_READ = 0o600, 0o644

Key = ec.EllipticCurvePrivateKey


class CertificatesRefused(SmartMeterError):
    """The folder does not allow what was asked; says why."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: Key


def issue(
    folder: Path,
    *,
    hosts: Sequence[str],
    clients: Iterable[str],
    life: timedelta,
    renew: bool = False,
    now: datetime | None = None,
) -> list[Path]:
    """Make an authority and what it issues; with `renew`, issue again by the same one.

    Args:
        folder: Made where it is missing.
        hosts: Names and addresses under which clients reach the servers.
        clients: Names of those that show a certificate too.
        life: How long certificates are valid.
        renew: Replace the certificates, and keep the authority.
        now: When validity begins.

    Returns: the files written.

    Raises:
        CertificatesRefused: Something is there already, or there is nothing to renew.
    """
    now = now or datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if renew:
        authority, written = _read_authority(folder), {}
    else:
        authority = _new_authority(now, max(life, AUTHORITY_LIFE_MIN))
        written = {
            "ca.crt": _pem(authority.certificate),
            "ca.key": _key_pem(authority.key),
        }
    certificate, key = _issue(authority, hosts[0], hosts, now, life)
    written["server.crt"] = _pem(certificate)
    written["server.key"] = _key_pem(key)
    written["server.pem"] = _key_pem(key) + _pem(certificate)
    for name in clients:
        certificate, key = _issue(authority, name, (), now, life)
        written[f"client-{name}.pem"] = _key_pem(key) + _pem(certificate)
    present = sorted(name for name in written if (folder / name).exists())
    if present and not renew:
        raise CertificatesRefused(
            f"{folder} holds {', '.join(present)} already, and nothing is overwritten:"
            " give another folder, or --renew to issue again by the same authority"
        )
    return [_write(folder / name, content) for name, content in written.items()]


def _write(path: Path, content: bytes) -> Path:
    """Write a file at once, never readable by others while it holds a key."""
    mode = ALL_MAY_READ if path.suffix == ".crt" else OWNER_ONLY
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(opened, "wb") as file:
        file.write(content)
    part.replace(path)
    return path


def _read_authority(folder: Path) -> _Authority:
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise CertificatesRefused(
            f"{folder} holds no authority to renew by (ca.crt and ca.key): {error}"
        ) from None
    if not isinstance(key, Key):
        raise CertificatesRefused(f"{folder / 'ca.key'} was not made here")
    return _Authority(certificate, key)


def _new_authority(now: datetime, life: timedelta) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    # With its year and a number: several authorities may be trusted at a time.
    name = _name(f"smartmeter CA {now:%Y-%m-%d} {os.urandom(3).hex()}")
    builder = _begun(name, name, key, now, life)
    builder = builder.add_extension(x509.BasicConstraints(True, 0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return _Authority(builder.sign(key, hashes.SHA256()), key)


def _issue(
    authority: _Authority,
    name: str,
    hosts: Sequence[str],
    now: datetime,
    life: timedelta,
) -> tuple[x509.Certificate, Key]:
    """Issue one certificate; with hosts, it is a server's as well as a client's."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    builder = _begun(_name(name), issuer.subject, key, now, life)
    builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]  # servers speak to each other too
    if hosts:
        purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(
        authority.key.public_key()
    )
    builder = builder.add_extension(identifier, critical=False)
    return builder.sign(authority.key, hashes.SHA256()), key


def _begun(
    subject: x509.Name, issuer: x509.Name, key: Key, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_APART)
        .not_valid_after(now + life)
        .add_extension(identifier, critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
