"""Simulator: a Kimi K2.6 vendor on a real socket.

Here: start and stop, what is recorded, and the life of one request: record, key, faults, route, transmit. Not here:
what an answer says (plan.py) or how it looks (sending.py). Invariant: every request whose body arrived is recorded
before anything is answered, refused ones included.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from random import Random
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from proxy.simulator.arguments import UnusableSchema
from proxy.simulator.faults.befall import Strike, befalling
from proxy.simulator.faults.fault import Occasion
from proxy.simulator.faults.parse import UnknownFault, fault_named, parse_faults
from proxy.simulator.options import FaultSetting, Options, Received
from proxy.simulator.pace import INSTANT, Pace
from proxy.simulator.plan import plan_answer
from proxy.simulator.prompt_cache import PromptCache
from proxy.simulator.refusals import Refusal, invalid, judge, not_an_object, unknown_path, unusable_schema, wrong_key
from proxy.simulator.request import choice_draw, read_chat
from proxy.simulator.routes import ROUTES, Arrival, members_of
from proxy.simulator.sending import Imprint, Sending, answer_sending, json_sending, refusal_sending
from proxy.simulator.shapes import shape_named
from proxy.simulator.transmit import transmit

CHAT: Final = ("POST", "/v1/chat/completions")
MAX_BODY: Final = 256 * 1024 * 1024
"""Bytes. Moonshot takes bodies under 100 MB; the simulator must not be the one who refuses."""
STOP_GRACE_S: Final = 0.05
"""How long stop() waits for answers in progress before it drops them."""


class Simulator:
    """One simulated vendor. Use it as `async with Simulator(Options(instant=True)) as vendor:`.

    `received` holds the latest requests, oldest first. `abandoned_at` holds, by the passed clock, when a client left
    before its answer was complete. Not thread-safe: one event loop.
    """

    def __init__(self, options: Options = Options()) -> None:  # noqa: B008  (frozen)
        self.options = options
        self.received: deque[Received] = deque(maxlen=options.received_size)
        self.abandoned_at: deque[float] = deque(maxlen=options.received_size)
        self._shape = shape_named(options.profile)
        self._pace = INSTANT if options.instant else Pace(options.pacing, options.speed)
        self._cache = PromptCache()
        self._faults: tuple[FaultSetting, ...] = ()
        self._faults_since_s = 0.0
        self._count = 0
        self._port = 0
        self._runner: web.AppRunner | None = None
        self.set_faults(options.faults)

    @property
    def url(self) -> str:
        """The base URL for clients, ending in /v1. Only while it runs."""
        scheme = "http" if self.options.tls is None else "https"
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"{scheme}://{host}:{self._port}/v1"

    @property
    def faults(self) -> tuple[FaultSetting, ...]:
        """The faults that are switched on."""
        return self._faults

    @property
    def open_connections(self) -> int:
        """How many client connections are open now."""
        server = self._runner.server if self._runner is not None else None
        return len(server.connections) if server is not None else 0

    def set_faults(self, settings: tuple[FaultSetting, ...]) -> None:
        """Replace the faults; their start times count from now. Raises UnknownFault."""
        for setting in settings:
            fault_named(setting.name)
        self._faults = settings
        self._faults_since_s = self.options.clock()

    async def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._faults_since_s = self.options.clock()
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            auto_decompress=False,
            handler_cancellation=True,
            shutdown_timeout=STOP_GRACE_S,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.options.host, self.options.port, ssl_context=self.options.tls)
        try:
            await site.start()
        except OSError:
            await self.stop()
            raise
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the socket and every connection."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.path.startswith("/simulator/"):
            return await transmit(self._control(request, body), request, self.options.sleep)
        self.received.append(_received(request, body, self.options.clock()))
        sending = self._sending(request, body)
        try:
            return await transmit(sending, request, self.options.sleep)
        except asyncio.CancelledError:
            self._abandoned()
            raise
        except ConnectionError:
            self._abandoned()
            return web.Response()  # there is nobody to write it to

    def _abandoned(self) -> None:
        if self._runner is not None:  # else it is stop() that ends the answer
            self.abandoned_at.append(self.options.clock())

    def _sending(self, request: web.Request, body: bytes) -> Sending:
        """The answer to one recorded request."""
        self._count += 1
        dice = f"{self.options.seed}/{self._count}"
        elapsed_s = self.options.clock() - self._faults_since_s
        struck = befalling(self._faults, elapsed_s, Random(f"{dice}/faults"))  # noqa: S311  (dice, not a secret)
        credential = request.headers.get("Authorization", "")
        strike = Strike(struck, Occasion(Random(f"{dice}/defects"), None, self._shape, credential))  # noqa: S311
        refusal = self._check_key(credential)
        if refusal is not None:
            sending = refusal_sending(refusal)
        elif (request.method, request.path) == CHAT:
            sending = self._chat(body, strike, Random(dice))  # noqa: S311
        else:
            sending = self._side_route(request, body, strike, Random(dice))  # noqa: S311
        return strike.sending(sending)

    def _chat(self, body: bytes, strike: Strike, draw: Random) -> Sending:
        members = members_of(body)
        if members is None:
            return refusal_sending(not_an_object(self._shape))
        request = strike.accepted(read_chat(members, self._shape))
        refusal = strike.status(request) or judge(request, self._shape, self.options.model)
        if refusal is not None:
            return refusal_sending(refusal)
        imprint = Imprint(f"chatcmpl-{draw.getrandbits(96):024x}", int(self.options.wall()), self._shape, draw)
        cached, dice = self._cache.look(request), choice_draw(request, draw, self._shape)
        try:
            plan = plan_answer(request, self.options.lengths, self.options.tool_rate, cached, dice)
        except UnusableSchema:
            return refusal_sending(unusable_schema(self._shape))
        return answer_sending(strike.plan(plan, request), request, imprint, self._pace)

    def _side_route(self, request: web.Request, body: bytes, strike: Strike, draw: Random) -> Sending:
        refusal = strike.status(None)
        if refusal is not None:
            return refusal_sending(refusal)
        route = ROUTES.get((request.method, request.path))
        if route is None:
            return refusal_sending(unknown_path(self._shape))
        return route(Arrival(body, self._shape, self.options.model, int(self.options.wall()), draw))

    def _check_key(self, credential: str) -> Refusal | None:
        if self.options.api_key is None:
            return None
        key = credential.removeprefix("Bearer ").strip()
        if hmac.compare_digest(key.encode(), self.options.api_key.encode()):
            return None
        return wrong_key(self._shape, missing=not key)

    def _control(self, request: web.Request, body: bytes) -> Sending:
        """GET /simulator/received?last=N, GET and POST /simulator/faults {"faults": ["NAME=SHARE@START"]}."""
        match request.method, request.path:
            case "GET", "/simulator/received":
                last = request.query.get("last", "20")
                shown = list(self.received)[-int(last) :] if last.isdecimal() and int(last) else []
                return json_sending(200, {"received": [_shown(each) for each in shown]})
            case "GET", "/simulator/faults":
                return self._listed_faults()
            case "POST", "/simulator/faults":
                wanted = (members_of(body) or {}).get("faults")
                if not isinstance(wanted, list):
                    return refusal_sending(invalid('send {"faults": ["NAME=SHARE@START", ...]}; [] clears them'))
                try:
                    self.set_faults(parse_faults(*(str(text) for text in wanted)))
                except UnknownFault as error:
                    return refusal_sending(invalid(str(error)))
                return self._listed_faults()
            case _:
                return refusal_sending(unknown_path(self._shape))

    def _listed_faults(self) -> Sending:
        return json_sending(200, {"faults": [str(setting) for setting in self._faults]})


def _received(request: web.Request, body: bytes, at_s: float) -> Received:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers)
    return Received(request.method, request.raw_path, headers, body, peer[1] if peer else 0, at_s)


def _shown(received: Received) -> dict[str, Any]:
    return {
        "method": received.method,
        "path": received.path,
        "headers": received.headers,
        "body": received.body.decode("utf-8", "replace"),
        "peer_port": received.peer_port,
        "at_s": received.at_s,
    }
