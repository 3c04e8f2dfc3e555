"""The pages as an application: GET and HEAD, this machine's names alone, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..reports.environment import environment
from ..reports.page import inline, kind_of
from .find import Item
from .shelf import Line, Shelf, Since
from .view import SAID, State

SHOWN: Final = 200
"""Lines of a page of the index."""

METHODS: Final = ("GET", "HEAD")

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every answer carries."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the index is asked to show.

    Attributes:
        verb: of the records; empty for all.
        answer: how they ended; empty for all.
        page: from 1.
    """

    verb: str
    answer: str
    page: int

    @classmethod
    def of(cls, request: Request) -> Choice:
        """Return what an address asks for; what cannot be a page is the first."""
        page = request.query_params.get("page", "1")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1
        asked = request.query_params
        return cls(asked.get("verb", ""), asked.get("answer", ""), max(number, 1))

    def takes(self, line: Line) -> bool:
        """Return whether a line is asked for."""
        verb = not self.verb or line.entry.verb == self.verb
        return verb and (not self.answer or line.entry.state.value == self.answer)


class Guard:
    """What stands before all pages: who asks, how, and what every answer carries."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        """Guard an application that answers on a port of 127.0.0.1."""
        self._app = app
        names = ("127.0.0.1", "localhost")
        self._hosts = {*names, *(f"{name}:{port}" for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on to be answered."""
        if scope["type"] != "http":
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        hosts = Headers(scope=scope).getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            # A page elsewhere may give its own name this machine's address, and then read along.
            said = "This server goes by 127.0.0.1 and localhost alone.\n"
            await PlainTextResponse(said, 421)(scope, receive, sent)
        elif scope["method"] not in METHODS:
            said, allowed = "Nothing can be changed here.\n", {"Allow": ", ".join(METHODS)}
            await PlainTextResponse(said, 405, allowed)(scope, receive, sent)
        else:
            await self._app(scope, receive, sent)


def site(shelf: Shelf, port: int) -> ASGIApp:
    """Return the application.

    Args:
        shelf: what is shown.
        port: of 127.0.0.1 that it answers on.
    """

    def index(request: Request) -> Response:
        return _index(shelf, Choice.of(request))

    def one(request: Request) -> Response:
        return _one(shelf, request.path_params["key"])

    def nothing(request: Request, error: Exception) -> Response:
        return _told("There is no such page", "The address may be wrong, or cut short.", 404)

    routes = [
        Route("/", index, methods=["GET"]),
        Route("/item/{key}", one, methods=["GET"], name="item"),
    ]
    app = Starlette(routes=routes, exception_handlers={404: nothing})
    app.router.redirect_slashes = False
    return Guard(app, port)


def _index(shelf: Shelf, choice: Choice) -> Response:
    look = shelf.look()
    lines = [line for line in look.lines if choice.takes(line)]
    pages = max(1, -(-len(lines) // SHOWN))
    page = min(choice.page, pages)
    first = SHOWN * (page - 1)
    return _page(
        "browse_index.html.j2",
        title="Runs and proofs",
        lines=lines[first : first + SHOWN],
        count=len(lines),
        total=len(look.lines),
        more=look.more,
        places=[str(root.typed) for root in shelf.roots],
        choice=choice,
        verbs=sorted({line.entry.verb for line in look.lines} - {""}),
        answers=_answers(look.lines),
        said=SAID,
        page=page,
        pages=pages,
        date=_date,
    )


def _answers(lines: Sequence[Line]) -> Mapping[str, str]:
    """Return how runs ended, those that there are, as they are asked for and said."""
    there = {line.entry.state for line in lines}
    return {state.value: SAID[state] for state in State if state in there}


def _one(shelf: Shelf, key: str) -> Response:
    found = shelf.open(key)
    if found is None:
        return _told("There is no such page", "No file that was found has this address.", 404)
    item, shown = found.item, found.view
    if shown is None:
        said = f"{item.name} was there when this server looked, and is gone or no plain file now."
        return _told("This file is gone", said, 410)
    return _page(
        "browse_item.html.j2",
        title=shown.title,
        shown=shown,
        item=item,
        note="" if found.since is Since.SAME else f"This file is {found.since.value}.",
        company=found.company,
        date=_date,
        said=SAID[shown.entry.state],
    )


def _told(title: str, said: str, status: int) -> Response:
    return _page("browse_told.html.j2", status, title=title, words=said)


def _page(template: str, status: int = 200, /, **words: object) -> Response:
    text = environment().get_template(template).render(kind=kind_of, inline=inline, **words)
    # Names of files need not be Unicode; what is left of such names is no error.
    return HTMLResponse(text.encode("utf-8", "replace"), status)


def _date(item: Item) -> str:
    """Return when a file was changed, for people."""
    try:
        seen = datetime.fromtimestamp(item.stamp.changed / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return "at no known time"
    return seen.strftime("%Y-%m-%d %H:%M:%S UTC")
