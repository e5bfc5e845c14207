"""Who may see the site, and who may change things: tokens, sessions and roles.

A program sends `Authorization: Bearer <token>`; a person signs in with the same token
and gets a cookie that says which role they have until when, signed with a key that
follows from the tokens: every worker with the same tokens takes it, and new tokens end
all sessions. Where no token is set, whoever reaches the site may see it; nothing can be
changed without the operator's token.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from enum import IntEnum
from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from app.settings.sections import Worker as WorkerSettings

__all__ = ["ROLE", "Access", "Role"]

COOKIE = "smartmeter_session"
SESSION_SECONDS = 12 * 3_600
REFUSAL_SECONDS = 0.5  # what a wrong token costs whoever tries one
REFUSALS_AT_ONCE_MAX = 8
OPEN_PATHS = {"/live", "/ready", "/login", "/logout"}
SAFE_METHODS = ("GET", "HEAD")


class Role(IntEnum):
    """What somebody may do; a higher role may do what a lower one may."""

    NOBODY = 0
    READER = 1
    OPERATOR = 2


ROLE = web.RequestKey("role", Role)


class Access:
    """Knows tokens and sessions."""

    def __init__(
        self, settings: WorkerSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._read = settings.read_token.get_secret_value()
        self._operate = settings.operator_token.get_secret_value()
        self._clock = clock
        secret = f"smartmeter sessions\0{self._read}\0{self._operate}"
        self._key = hashlib.sha256(secret.encode()).digest()
        self._refusals = asyncio.Semaphore(REFUSALS_AT_ONCE_MAX)

    @property
    def is_asked_for(self) -> bool:
        """Whether there is anything to sign in for."""
        return bool(self._read or self._operate)

    @property
    def for_peers(self) -> dict[str, str]:
        """Headers by which this worker may ask the others."""
        token = self._read or self._operate
        return {"Authorization": f"Bearer {token}"} if token else {}

    def role_of(self, token: str) -> Role:
        """Return the role that a token gives, in a time that says nothing of it."""
        role = Role.NOBODY
        for known, given in (
            (self._read, Role.READER),
            (self._operate, Role.OPERATOR),
        ):
            if known and hmac.compare_digest(known.encode(), token.encode()):
                role = given
        return role

    def session(self, role: Role) -> str:
        """Return what a cookie holds that gives a role for some hours."""
        text = f"{role.value}.{int(self._clock()) + SESSION_SECONDS}"
        return f"{text}.{self._sign(text)}"

    def role_in(self, session: str) -> Role:
        """Return the role that a cookie gives, if it is ours and not over."""
        text, _, signature = session.rpartition(".")
        if not hmac.compare_digest(self._sign(text).encode(), signature.encode()):
            return Role.NOBODY
        role, _, until = text.partition(".")
        return Role(int(role)) if self._clock() < int(until) else Role.NOBODY

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def _role(self, request: web.Request) -> Role:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            found = self.role_of(token.strip())
        else:
            found = self.role_in(request.cookies.get(COOKIE, ""))
        # Where seeing needs no token, everybody is a reader.
        return found if self._read else max(found, Role.READER)

    @property
    def middleware(self) -> Middleware:
        """Keeps out who may not see a page or change a thing."""

        @web.middleware
        async def middleware(
            request: web.Request, handler: Handler
        ) -> web.StreamResponse:
            role = request[ROLE] = self._role(request)
            path = request.path
            is_open = path in OPEN_PATHS or path.startswith("/static/")
            needed = Role.READER if request.method in SAFE_METHODS else Role.OPERATOR
            if is_open or role >= needed:
                return await handler(request)
            if role or request.method not in SAFE_METHODS:
                raise web.HTTPForbidden(text="This needs the operator's token.")
            if path.startswith("/api/") or path == "/metrics":
                raise web.HTTPUnauthorized(
                    text="Send a token: Authorization: Bearer <token>.",
                    headers={"WWW-Authenticate": 'Bearer realm="smartmeter"'},
                )
            raise web.HTTPSeeOther(f"/login?next={quote(request.path_qs, safe='')}")

        return middleware

    async def sign_in(self, token: str, goal: str, *, secure: bool) -> web.Response:
        """Return the answer that lets somebody in, on the way to a path of ours.

        Raises:
            HTTPForbidden: The token is not known; this is said after a while.
            HTTPTooManyRequests: Too many wrong ones are being told so already.
        """
        role = self.role_of(token)
        if role is Role.NOBODY:
            if self._refusals.locked():
                raise web.HTTPTooManyRequests(
                    text="Too many wrong tokens; wait a little."
                )
            async with self._refusals:
                await asyncio.sleep(REFUSAL_SECONDS)
            raise web.HTTPForbidden(text="That token is not known here.")
        answer = web.Response(status=303, headers={"Location": local_path(goal)})
        answer.set_cookie(
            COOKIE,
            self.session(role),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="Strict",
            secure=secure,
        )
        return answer

    def sign_out(self) -> web.Response:
        """Return the answer that ends a session."""
        answer = web.Response(status=303, headers={"Location": "/login"})
        answer.del_cookie(COOKIE, httponly=True, samesite="Strict")
        return answer


def local_path(wanted: str) -> str:
    r"""Return a path of this site that somebody wanted, and never another site.

    >>> local_path("/top?by=minimum_volts"), local_path("//evil.example/")
    ('/top?by=minimum_volts', '/')
    """
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if is_ours and wanted.isprintable() else "/"
