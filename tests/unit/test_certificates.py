"""The private authority: what it writes, who may read it, and that it is trusted."""

import ssl
import stat
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from app.certificates import CertificatesRefused, Wanted, ensure, issue
from app.cli.certificates import command
from app.errors import SettingsError
from app.settings.base import Encrypted
from app.settings.web import Web
from app.tls import pages_context, tls_context, trust_trouble

HOSTS = ("localhost", "127.0.0.1")
YEAR = timedelta(days=365)


def handshake(folder, **options):
    """Let a client of ours meet a server; return whom the server has seen."""
    _, theirs = met(folder, **options)
    return theirs.getpeercert()


def met(folder, *, host="localhost", authorities=None, client=""):
    """Return both ends of TLS with the folder's certificate, in memory."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    if client:
        server.load_verify_locations(folder / "ca.crt")
        server.verify_mode = ssl.CERT_REQUIRED
    trusted = (folder / "ca.crt").read_text() if authorities is None else authorities
    context = tls_context("kafka", Encrypted(ca=trusted, certificate=client))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = context.wrap_bio(incoming, outgoing, server_hostname=host)
    theirs = server.wrap_bio(outgoing, incoming, server_side=True)
    done = set()
    while done != {ours, theirs}:
        for side in (ours, theirs):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
    return ours, theirs


def test_server_is_trusted_by_whoever_trusts_the_authority(tmp_path):
    issue(Wanted(folder=tmp_path, hosts=HOSTS, life=YEAR))
    for host in HOSTS:
        handshake(tmp_path, host=host)


def test_client_shows_its_own_certificate(tmp_path):
    issue(Wanted(folder=tmp_path, hosts=HOSTS, clients=("archive",), life=YEAR))
    shown = handshake(tmp_path, client=(tmp_path / "client-archive.pem").read_text())
    assert ((("commonName", "archive"),),) == shown["subject"]


def test_another_name_or_authority_is_refused_in_words(tmp_path):
    issue(Wanted(folder=tmp_path / "one", hosts=HOSTS, life=YEAR))
    issue(Wanted(folder=tmp_path / "two", hosts=HOSTS, life=YEAR))
    other = (tmp_path / "two" / "ca.crt").read_text()
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        handshake(tmp_path / "one", authorities=other)
    assert "SMARTMETER_KAFKA__CA" in trust_trouble(caught.value.verify_message, "kafka")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(tmp_path / "one", host="elsewhere")


def test_expired_certificate_is_named_as_such(tmp_path):
    past = datetime.now(UTC) - timedelta(days=30)
    issue(Wanted(folder=tmp_path, hosts=HOSTS, life=timedelta(days=1)), now=past)
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        handshake(tmp_path)
    assert "(certificate has expired): renew it" in trust_trouble(
        caught.value.verify_message, "kafka"
    )


def test_goodbye_is_said_and_not_waited_for(tmp_path):
    issue(Wanted(folder=tmp_path, hosts=HOSTS, life=YEAR))
    ours, theirs = met(tmp_path)
    ours.unwrap()  # the other side has not answered
    assert b"" == theirs.read()


def test_only_the_owner_reads_keys(tmp_path):
    for path in issue(
        Wanted(folder=tmp_path / "new", hosts=HOSTS, clients=("a",), life=YEAR)
    ):
        open_to_others = stat.S_IMODE(path.stat().st_mode) & 0o077
        assert bool(open_to_others) == (path.suffix == ".crt"), path
        assert ("PRIVATE KEY" in path.read_text()) == (path.suffix != ".crt"), path


def test_nothing_is_overwritten_and_renewal_keeps_the_authority(tmp_path):
    issue(Wanted(folder=tmp_path, hosts=HOSTS, life=YEAR))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CertificatesRefused, match="nothing is overwritten"):
        issue(Wanted(folder=tmp_path, hosts=HOSTS, life=YEAR))
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    issue(
        Wanted(folder=tmp_path, hosts=HOSTS, clients=("late",), life=YEAR), renew=True
    )
    assert before["ca.crt"] == (tmp_path / "ca.crt").read_bytes()
    assert before["server.crt"] != (tmp_path / "server.crt").read_bytes()
    handshake(tmp_path, client=(tmp_path / "client-late.pem").read_text())


def test_each_server_has_all_it_needs_in_a_folder_and_the_authority_is_apart(tmp_path):
    servers = {"nats": ["nats-1", "nats-2"], "web": ["worker"]}
    wanted = Wanted(
        folder=tmp_path / "tls",
        authority=tmp_path / "authority",
        servers=servers,
        life=YEAR,
        group_reads=True,
    )
    issue(wanted)
    assert ["ca.key"] == [path.name for path in wanted.authority.iterdir()]
    assert 0o600 == stat.S_IMODE((wanted.authority / "ca.key").stat().st_mode)
    files = {"ca.crt", "server.crt", "server.key", "server.pem"}
    for name, hosts in servers.items():
        folder = wanted.folder / name
        assert files == {path.name for path in folder.iterdir()}
        assert 0o640 == stat.S_IMODE((folder / "server.pem").stat().st_mode)
        for host in hosts:
            met(folder, host=host)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        met(wanted.folder / "nats", host="worker")


def test_certificates_are_renewed_when_two_thirds_of_their_days_are_gone(tmp_path):
    wanted = Wanted(folder=tmp_path, servers={"nats": ["nats"]}, life=YEAR)
    began = datetime.now(UTC)
    assert ensure(wanted, now=began)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert [] == ensure(wanted, now=began + YEAR * 0.66)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    ensure(wanted, now=began + YEAR * 0.67)
    assert before[tmp_path / "ca.crt"] == (tmp_path / "ca.crt").read_bytes()
    renewed = (tmp_path / "nats" / "server.crt").read_bytes()
    assert before[tmp_path / "nats" / "server.crt"] != renewed
    (tmp_path / "nats" / "server.crt").unlink()
    assert ensure(wanted, now=began + YEAR * 0.68)


def test_command_ensures_twice_and_changes_nothing_the_second_time(tmp_path):
    words = [str(tmp_path / "tls"), "--server", "web=worker,localhost", "--ensure"]
    first = CliRunner().invoke(command, words)
    assert "for web (worker, localhost)." in first.output
    second = CliRunner().invoke(command, words)
    assert "all certificates last for a while" in second.output
    wrong = CliRunner().invoke(command, [*words, "--server", "../etc=x"])
    assert 2 == wrong.exit_code


def test_command_says_what_to_do_next_and_what_is_wrong(tmp_path):
    folder = tmp_path / "certificates"
    first = CliRunner().invoke(command, [str(folder), "--host", "kafka-1"])
    assert 0 == first.exit_code, first.output
    assert f"SMARTMETER_KAFKA__CA_FILE={folder / 'ca.crt'}" in first.output
    again = CliRunner().invoke(command, [str(folder), "--host", "kafka-1"])
    assert isinstance(again.exception, CertificatesRefused)
    unknown = CliRunner().invoke(command, [str(tmp_path / "none"), "--renew"])
    assert "no authority to renew by" in str(unknown.exception)


@pytest.mark.parametrize(
    ("values", "variable"),
    [
        ({"ca": "no certificate"}, "SMARTMETER_KAFKA__CA"),
        ({"certificate": "no key"}, "SMARTMETER_KAFKA__CERTIFICATE"),
    ],
)
def test_what_is_no_certificate_names_its_variable(values, variable):
    with pytest.raises(SettingsError) as caught:
        tls_context("kafka", Encrypted(**values))
    assert str(caught.value).startswith(f"{variable}: ")


def test_key_under_a_password_is_refused_and_nobody_is_asked_for_it(tmp_path):
    issue(Wanted(folder=tmp_path, hosts=HOSTS, life=YEAR))
    key = load_pem_private_key((tmp_path / "server.key").read_bytes(), None)
    closed = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a password")
    )
    shown = (tmp_path / "server.crt").read_text() + closed.decode()
    with pytest.raises(SettingsError, match="unencrypted key"):
        pages_context(Web(certificate=shown))


@pytest.mark.parametrize("given", [{"tls": True}, {"ca": "any"}])
def test_pages_are_not_served_in_the_clear_where_they_must_not(given):
    with pytest.raises(SettingsError, match="SMARTMETER_WEB__CERTIFICATE: missing"):
        pages_context(Web(**given))


def test_pages_are_plain_where_nothing_is_said():
    assert pages_context(Web()) is None
    assert "http" == Web().scheme
    assert "https" == Web(tls=True).scheme
