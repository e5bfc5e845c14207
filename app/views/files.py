"""Scripts, styles and icons of the site, from memory: a disk needs a thread to wait in.

They are small, few, and the same for as long as the process lives. Read once, they are
compressed once, too.
"""

import gzip
import hashlib
import mimetypes
from importlib import resources

from aiohttp import ETag, hdrs, web

__all__ = ["Files"]


class Files:
    """All files of static/, each answered with its entity tag."""

    def __init__(self) -> None:
        self._files = {
            entry.name: _File(entry.name, entry.read_bytes())
            for entry in (resources.files("app.views") / "static").iterdir()
            if entry.is_file()
        }

    @property
    def routes(self) -> list[web.RouteDef]:
        """The one path."""
        return [web.get("/static/{name}", self.answer)]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with a file, or that it is still the one that the browser has."""
        name = request.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound(text=f"no file is called {name[:100]}")
        file = self._files[name]
        headers: dict[str, str] = {hdrs.VARY: hdrs.ACCEPT_ENCODING}
        known = request.if_none_match or ()
        if any(tag.value in {file.tag.value, "*"} for tag in known):
            response = web.Response(status=304, headers=headers)
        elif "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            headers[hdrs.CONTENT_ENCODING] = "gzip"
            response = file.response(file.compressed, headers)
        else:
            response = file.response(file.body, headers)
        response.etag = file.tag
        return response


class _File:
    def __init__(self, name: str, body: bytes) -> None:
        self.body = body
        self.compressed = gzip.compress(body, mtime=0)
        # Weak: compressed or not, it is the same file.
        digest = hashlib.blake2b(body, digest_size=12).hexdigest()
        self.tag = ETag(value=digest, is_weak=True)
        self._type = mimetypes.guess_type(name)[0] or "application/octet-stream"

    def response(self, body: bytes, headers: dict[str, str]) -> web.Response:
        """Return one of its two forms."""
        return web.Response(body=body, headers=headers, content_type=self._type)
