"""Identities of NATS other than a user and a password, as its own tools make them."""

import base64
import json
import os
import time
from dataclasses import dataclass

import nkeys

__all__ = ["Credentials", "an_nkey", "credentials"]


def an_nkey(prefix: int = nkeys.PREFIX_BYTE_USER) -> tuple[str, str]:
    """Return a new key's seed and its public part."""
    seed = nkeys.encode_seed(os.urandom(32), prefix)
    return seed.decode(), nkeys.from_seed(bytearray(seed)).public_key.decode()


@dataclass(frozen=True)
class Credentials:
    """A user's credentials file, and the part of the server that takes it."""

    file: str
    server: dict


def credentials() -> Credentials:
    """Make an operator, an account and a user, as `nsc` does."""
    operator_seed, operator = an_nkey(nkeys.PREFIX_BYTE_OPERATOR)
    account_seed, account = an_nkey(nkeys.PREFIX_BYTE_ACCOUNT)
    user_seed, user = an_nkey()
    unlimited = {"subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1}
    storage = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    limits = {"imports": -1, "exports": -1, "wildcards": True, **unlimited, **storage}
    account_token = _token(
        operator_seed, operator, account, {"type": "account", "limits": limits}
    )
    may_all = {"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}
    user_token = _token(account_seed, account, user, {"type": "user", **may_all})
    file = (
        f"-----BEGIN NATS USER JWT-----\n{user_token}\n------END NATS USER JWT------\n"
        f"\n-----BEGIN USER NKEY SEED-----\n{user_seed}\n"
        "------END USER NKEY SEED------\n"
    )
    server = {
        "operator": _token(operator_seed, operator, operator, {"type": "operator"}),
        "resolver": "MEMORY",
        "resolver_preload": {account: account_token},
    }
    return Credentials(file, server)


def _token(seed: str, issuer: str, subject: str, claims: dict) -> str:
    body = {
        "jti": os.urandom(8).hex(),
        "iat": int(time.time()),
        "iss": issuer,
        "sub": subject,
        "name": subject[:8],
        "nats": {"version": 2, **claims},
    }
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    signed = f"{_part(json.dumps(head).encode())}.{_part(json.dumps(body).encode())}"
    signature = nkeys.from_seed(bytearray(seed.encode())).sign(signed.encode())
    return f"{signed}.{_part(signature)}"


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
