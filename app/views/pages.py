"""The HTML of the views: shells that their scripts fill from the JSON."""

from typing import Any

import jinja2
from aiohttp import web

from app.domain.readings import lane_of
from app.views.access import ROLE, Access, Role
from app.views.worker import Worker

__all__ = ["Pages"]


class Pages:
    """Handlers of the pages for people."""

    def __init__(self, worker: Worker, access: Access) -> None:
        self._worker = worker
        self._access = access
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("app.views"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )

    @property
    def routes(self) -> list[web.RouteDef]:
        """Every path of the pages."""
        return [
            web.get("/", self.overview),
            web.get("/transformers", self.transformers),
            web.get("/top", self.top),
            web.get("/alerts", self.alerts),
            web.get("/predictions", self.predictions),
            web.get("/models", self.models),
            web.get("/pipeline", self.pipeline),
            web.get("/messages", self.messages),
            web.get("/login", self.login),
            web.post("/login", self.sign_in),
            web.post("/logout", self.sign_out),
            web.get(
                r"/transformers/{line:\d{1,10}}/{transformer:\d{1,10}}",
                self.transformer,
            ),
        ]

    async def overview(self, _: web.Request) -> web.Response:
        """Show what is happening in the whole cluster."""
        lanes = self._worker.settings.kafka.lanes
        return self.render("overview.html", page="overview", lanes=lanes)

    async def transformers(self, _: web.Request) -> web.Response:
        """Show the windows of all transformers."""
        return self.render("transformers.html", page="transformers")

    async def top(self, _: web.Request) -> web.Response:
        """Show the transformers that stand out most."""
        return self.render("top.html", page="top")

    async def alerts(self, request: web.Request) -> web.Response:
        """Show alerts, and let an operator acknowledge them."""
        settings = self._worker.settings
        return self.render(
            "alerts.html",
            page="alerts",
            alerts=settings.alerts,
            standard=settings.windows.profile,
            may_operate=request[ROLE] >= Role.OPERATOR,
            has_operator=bool(settings.worker.operator_token.get_secret_value()),
        )

    async def predictions(self, _: web.Request) -> web.Response:
        """Show what is foreseen, and how right it was."""
        forecast = self._worker.settings.forecast
        return self.render("predictions.html", page="predictions", forecast=forecast)

    async def models(self, request: web.Request) -> web.Response:
        """Show the models and their versions, and let an operator go back to one."""
        token = self._worker.settings.worker.operator_token
        return self.render(
            "models.html",
            page="models",
            may_operate=request[ROLE] >= Role.OPERATOR,
            has_operator=bool(token.get_secret_value()),
        )

    async def messages(self, _: web.Request) -> web.Response:
        """Show what goes out on NATS."""
        return self.render("messages.html", page="messages")

    async def pipeline(self, _: web.Request) -> web.Response:
        """Show what flows where, and who lags behind."""
        return self.render("pipeline.html", page="pipeline")

    async def transformer(self, request: web.Request) -> web.Response:
        """Show the windows of one transformer."""
        line, transformer = (
            int(request.match_info[name]) for name in ("line", "transformer")
        )
        return self.render(
            "transformer.html",
            page="transformers",
            line=line,
            transformer=transformer,
            lane=lane_of(line, transformer, self._worker.settings.kafka.lanes),
        )

    async def login(self, request: web.Request) -> web.Response:
        """Ask for a token."""
        return self.render(
            "login.html", page="", next=request.query.get("next", "/"), refused=""
        )

    async def sign_in(self, request: web.Request) -> web.Response:
        """Take a token from the form, and let its owner in."""
        form = await request.post()
        token, goal = str(form.get("token", "")), str(form.get("next", ""))
        try:
            return await self._access.sign_in(token, goal, secure=request.secure)
        except (web.HTTPForbidden, web.HTTPTooManyRequests) as error:
            return self.render(
                "login.html",
                status=error.status,
                page="",
                next=goal,
                refused=error.text,
            )

    async def sign_out(self, _: web.Request) -> web.Response:
        """End a session."""
        return self._access.sign_out()

    def error(self, status: int, title: str, detail: str) -> web.Response:
        """Show what went wrong."""
        return self.render(
            "error.html", status=status, page="", title=title, detail=detail
        )

    def render(
        self, template: str, *, status: int = 200, **context: Any
    ) -> web.Response:
        """Return a page of the site."""
        settings = self._worker.settings
        html = self._templates.get_template(template).render(
            namespace=settings.namespace,
            worker_url=self._worker.url(),
            windows=settings.windows,
            has_sessions=self._access.is_asked_for,
            **context,
        )
        return web.Response(text=html, status=status, content_type="text/html")
