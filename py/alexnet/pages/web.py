"""The page to play with, over HTTP: a page, and answers to images that are sent to it; nothing else can be asked for.

A request that names a foreign host, or comes from another page's origin, is refused: a site that the browser shows
beside this one cannot use it. An upload is bounded in bytes before it is read, an image in pixels before it is decoded;
one image is answered at a time, and so many wait.
"""

import asyncio
import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from alexnet.errors import Failure
from alexnet.pages.parts import page

LARGEST = 32 * 2**20  # bytes of an upload
WAITING = 16  # uploads that are answered or wait for it, at most
SECONDS = 30  # for an upload to arrive
LOOPBACK = ("localhost", "127.0.0.1", "::1")
Answer = Callable[[bytes], dict[str, Any]]
Next = Callable[[Request], Awaitable[Response]]
CLOSED = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"  # what default-src leaves open
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def app(answer: Answer, about: str, host: str) -> Starlette:
    """The application; `about` says on the page what answers, `host` is where it listens."""
    alone = ThreadPoolExecutor(1)
    waiting = 0

    async def show(request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        rules = f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data: blob:; connect-src 'self'"
        headers = {"Content-Security-Policy": f"default-src 'none'; {rules}; {CLOSED}"}
        return HTMLResponse(page("play.html", about=about, nonce=nonce, largest=LARGEST), headers=headers)

    async def answered(request: Request) -> Response:
        nonlocal waiting
        if waiting >= WAITING:
            with suppress(Failure, TimeoutError, _TooLarge):
                await _received(request, 0)
            return _refused(503, "too many images wait already; send it again in a moment")
        waiting += 1
        try:
            content = await _received(request, LARGEST)
            return JSONResponse(await asyncio.get_running_loop().run_in_executor(alone, answer, content))
        except Failure as failure:
            return _refused(422, str(failure))
        except TimeoutError:
            return _refused(408, f"the image did not arrive within {SECONDS} seconds; send it again")
        except MemoryError:
            return _refused(413, "there is not enough memory for this image; send a smaller one")
        except _TooLarge:
            return _refused(413, f"more than {LARGEST >> 20} MiB; send a smaller image")
        finally:
            waiting -= 1

    guard = Middleware(BaseHTTPMiddleware, dispatch=_guard(_names(host)))
    routes = [Route("/", show), Route("/answer", answered, methods=["POST"])]
    return Starlette(routes=routes, middleware=[guard])


class _TooLarge(Exception):
    """An upload beyond the bound."""


async def _received(request: Request, most: int) -> bytes:
    """The request's body, of which no more than `most` bytes are kept: whoever sends more hears of it at the end.

    Raises _TooLarge then, TimeoutError where it does not come.
    """
    parts, size = [], 0
    try:
        async with asyncio.timeout(SECONDS):
            async for part in request.stream():
                size += len(part)
                if size <= most:
                    parts.append(part)
    except ClientDisconnect:
        raise Failure("the upload broke off") from None
    if size > most:
        raise _TooLarge
    return b"".join(parts)


def _refused(status: int, line: str) -> Response:
    return JSONResponse({"error": line}, status_code=status)


def _names(host: str) -> Callable[[str], bool]:
    """Whether a host's name is one of this server's: where it listens beyond this machine, by any address of it."""
    if host in LOOPBACK:
        return LOOPBACK.__contains__
    own = {*LOOPBACK, host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}

    def ours(name: str) -> bool:
        return name in own or _is_address(name)  # no foreign page has an address of this machine for its own name

    return ours


def _guard(ours: Callable[[str], bool]) -> Callable[[Request, Next], Awaitable[Response]]:
    async def dispatch(request: Request, go_on: Next) -> Response:
        host = request.headers.get("host", "")
        origin = request.headers.get("origin")
        if not ours(_without_port(host)):
            response = _refused(403, "this page is asked for by another name than its own")
        elif origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            response = _refused(403, "another page's request")
        else:
            response = await go_on(request)
        response.headers.update(HEADERS)
        return response

    return dispatch


def _without_port(host: str) -> str:
    name = host.lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.rpartition(":")[0] if name.rpartition(":")[2].isdecimal() and ":" in name else name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Server:
    """The page at `address`, until it is told to end. Raises Failure where it cannot listen there."""

    def __init__(self, answer: Answer, about: str, host: str, port: int) -> None:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listening = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            raise Failure(f"{host}:{port}: cannot listen there ({error}); choose another --port or --host") from error
        name = f"[{host}]" if ":" in host else host
        self.address = f"http://{name}:{self._listening.getsockname()[1]}/"
        settings = uvicorn.Config(
            app(answer, about, host),
            log_level="warning",
            limit_concurrency=4 * WAITING,
            timeout_keep_alive=5,
            server_header=False,
        )
        self._server = uvicorn.Server(settings)

    def run(self) -> None:
        """Answer, until `end`."""
        with self._listening:
            self._server.run(sockets=[self._listening])

    def end(self) -> None:
        """Let `run` return, once what is being answered is."""
        self._server.should_exit = True
