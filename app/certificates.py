"""A private authority, and the certificates that it issues, for tests and demos.

    ca.crt, ca.key            the authority; keep the key where no server can read it
    server.crt, server.key    what a server shows; server.pem holds both in one file
    client-NAME.pem           what a client shows: its certificate and its key
    NAME/                     of a further server: its server.*, and ca.crt once more

Keys are elliptic (P-256), as PKCS #8 in PEM, which nats-server, Kafka, Cassandra and
OpenSSL all read. Only their owner can read what holds one.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.errors import SmartMeterError

__all__ = ["CertificatesRefused", "Wanted", "ensure", "issue"]

CLOCKS_APART = timedelta(hours=1)  # a machine whose clock is behind must trust it too
AUTHORITY_LIFE_MIN = timedelta(days=3_650)
OWNER_ONLY, GROUP_TOO, ALL_MAY_READ = 0o600, 0o640, 0o644

Key = ec.EllipticCurvePrivateKey


class CertificatesRefused(SmartMeterError):
    """The folder does not allow what was asked; says why."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: Key


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an authority shall issue, and where.

    Args:
        folder: Made where it is missing.
        hosts: Names and addresses under which clients reach the servers; none: there
            is no certificate for all of them.
        servers: Further servers by name, each with a folder and hosts of its own.
        clients: Names of those that show a certificate too.
        life: How long certificates are valid.
        authority: Where the authority's key lies, if not beside what it issues.
        group_reads: Whether the group may read keys too.
    """

    folder: Path
    hosts: Sequence[str] = ()
    servers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    clients: Sequence[str] = ()
    life: timedelta
    authority: Path | None = None
    group_reads: bool = False

    @property
    def key_folder(self) -> Path:
        """Where the authority's key lies."""
        return self.authority or self.folder

    @property
    def places(self) -> dict[Path, Sequence[str]]:
        """The folder of each server's certificate, and its hosts."""
        own = {self.folder: self.hosts} if self.hosts else {}
        return own | {self.folder / n: hosts for n, hosts in self.servers.items()}


def issue(
    wanted: Wanted, *, renew: bool = False, now: datetime | None = None
) -> list[Path]:
    """Make an authority and what it issues; with `renew`, issue again by the same one.

    Args:
        wanted: What, and where.
        renew: Replace the certificates, and keep the authority.
        now: When validity begins.

    Returns: the files written.

    Raises:
        CertificatesRefused: Something is there already, or there is nothing to renew.
    """
    now = now or datetime.now(UTC)
    folder, keys = wanted.folder, wanted.key_folder
    for each in (folder, keys, *wanted.places):
        each.mkdir(parents=True, exist_ok=True, mode=0o700)
    written: dict[Path, bytes] = {}
    if renew:
        authority = _read_authority(wanted)
    else:
        authority = _new_authority(now, max(wanted.life, AUTHORITY_LIFE_MIN))
        written[folder / "ca.crt"] = _pem(authority.certificate)
        written[keys / "ca.key"] = _key_pem(authority.key)
    for place, hosts in wanted.places.items():
        name = hosts[0] if place == folder else place.name
        certificate, key = _issue(authority, name, hosts, now, wanted.life)
        written[place / "ca.crt"] = _pem(authority.certificate)
        written[place / "server.crt"] = _pem(certificate)
        written[place / "server.key"] = _key_pem(key)
        written[place / "server.pem"] = _key_pem(key) + _pem(certificate)
    for name in wanted.clients:
        certificate, key = _issue(authority, name, (), now, wanted.life)
        written[folder / f"client-{name}.pem"] = _key_pem(key) + _pem(certificate)
    present = sorted(path.name for path in written if path.exists())
    if present and not renew:
        raise CertificatesRefused(
            f"{folder} holds {', '.join(present)} already, and nothing is overwritten:"
            " give another folder, or --renew to issue again by the same authority"
        )
    mode = GROUP_TOO if wanted.group_reads else OWNER_ONLY
    return [_write(path, content, mode) for path, content in written.items()]


def ensure(wanted: Wanted, *, now: datetime | None = None) -> list[Path]:
    """Issue what is missing or nearly over; leave all as it is where nothing is.

    Returns: the files written, if any.

    Raises:
        CertificatesRefused: There are certificates, and not the key to renew them by.
    """
    now = now or datetime.now(UTC)
    if not (wanted.folder / "ca.crt").exists():
        return issue(wanted, now=now)
    served = [place / "server.crt" for place in wanted.places]
    shown = [wanted.folder / f"client-{name}.pem" for name in wanted.clients]
    if all(_lasts(path, now + wanted.life / 3) for path in (*served, *shown)):
        return []
    return issue(wanted, renew=True, now=now)


def _lasts(path: Path, until: datetime) -> bool:
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return False
    return found.not_valid_after_utc >= until


def _write(path: Path, content: bytes, mode: int) -> Path:
    """Write a file at once, never readable by others while it holds a key."""
    if path.suffix == ".crt":
        mode = ALL_MAY_READ
    elif path.name == "ca.key":
        mode = OWNER_ONLY
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(opened, "wb") as file:
        os.fchmod(opened, mode)  # whatever the umask
        file.write(content)
    part.replace(path)
    return path


def _read_authority(wanted: Wanted) -> _Authority:
    folder, key_path = wanted.folder, wanted.key_folder / "ca.key"
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise CertificatesRefused(
            f"{folder} holds no authority to renew by (ca.crt and ca.key): {error}"
        ) from None
    if not isinstance(key, Key):
        raise CertificatesRefused(f"{key_path} was not made here")
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
