"""The life of a request, in one function: admit, read, parse, decide, encode, forward, relay, tap.

Not here: how any of these is done. Invariant: every request that reaches `handle` leaves through its last block, so it
is counted once, its permit is returned, and nothing of it stays behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple

import msgspec

from proxy.config.values import Client, Limits
from proxy.contract.envelope import Envelope
from proxy.metrics.worker import Metrics
from proxy.policy.decide import Decision, Plan
from proxy.policy.verdict import Route
from proxy.wire import problems, routes
from proxy.wire.admission import Admission, Permit, identify
from proxy.wire.aiohttp_hooks import Request
from proxy.wire.body import Arrival, hold
from proxy.wire.deadlines import Deadlines
from proxy.wire.forward import forward
from proxy.wire.headers import OPT_OUT, RequestHead, is_json, read_fields, transfer_coding_problem
from proxy.wire.judge import Judged, Rejected, Unreadable, judge
from proxy.wire.plane import Lane, Plane, Way
from proxy.wire.problems import INTERNAL, NOT_FOUND, Problem, Refused
from proxy.wire.record import Line, Record, conclude
from proxy.wire.relay import Relay
from proxy.wire.tap import Tap

_USUAL_FIELDS: Final = frozenset(
    (b"authorization", b"api-key", b"connection", b"content-length", b"content-type", b"host", OPT_OUT)
)
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Admitted(msgspec.Struct):
    """What admission found out. `plan` None: the body passes as it came."""

    way: Way
    head: RequestHead
    plan: Plan | None
    client: Client | None
    permit: Permit


class Rim(NamedTuple):
    """What the pipeline is given from outside: time, ids, and where results go. `tap` None: nobody listens."""

    clock: Callable[[], float]
    new_id: Callable[[], str]
    log: Callable[[Line], None]
    fault: Callable[[BaseException], None]
    tap: Tap | None = None


class Pipeline:
    """Handles requests with the plane of the moment and shows them to its tap. `draining` asks clients to go elsewhere
    after their answer.
    """

    def __init__(
        self,
        plane: Plane,
        admission: Admission,
        deadlines: Deadlines,
        metrics: Metrics,
        rim: Rim,
    ) -> None:
        self.plane = plane
        self.draining = False
        self._admission = admission
        self._deadlines = deadlines
        self._metrics = metrics
        self.tap = rim.tap
        self._clock = rim.clock
        self._new_id = rim.new_id
        self._log = rim.log
        self._fault = rim.fault

    async def handle(self, request: Request) -> bool:
        """One request, from its head to the last byte of its answer; whether its connection may carry another one.

        I/O happens at read and at relay, nowhere else.
        """
        plane, record = self.plane, Record(self._new_id(), self._clock())
        try:
            admitted = self._admit(plane, request, record)
            body = request.take_body()
            if body is None:
                body = await self._read(request, admitted, plane.config.limits)
            else:
                hold(admitted.permit, plane.config.limits, len(body))
            record.read_at = self._clock()
            record.body_bytes = len(body)
            body = self._decide(admitted, record, body)
            outgoing = _encode(request, admitted, body)
            del body  # while the answer streams, only the connection holds what was sent
            await self._relay(request, admitted.way.lane, outgoing, record)
            return record.journey.relay is not None and not record.journey.relay.close_client
        except Refused as refusal:
            return self._refuse(request, refusal, record)
        except asyncio.CancelledError:
            if record.journey.relay is None:
                record.outcome = "client_gone"
            raise
        except Exception as error:
            self._fault(error)
            relay, transport = record.journey.relay, request.connection.transport
            if relay is not None and relay.head_sent and transport is not None:
                transport.abort()  # an answer has begun; another one would be taken for part of it
            return self._refuse(request, Refused(INTERNAL, "upstream_error"), record)
        finally:
            if record.permit is not None:
                record.permit.release()
            self._log(conclude(record, self._metrics, self._clock()))

    def _admit(self, plane: Plane, request: Request, record: Record) -> Admitted:
        """From the head alone: route, vendor, client, room. Raises Refused."""
        way = plane.way(request.target)
        if way is None:
            raise Refused(NOT_FOUND if request.method in routes.METHODS else _method_problem(routes.METHODS))
        lane, served = way.lane, way.served
        vendor = lane.vendor
        record.route, record.vendor = served.label, vendor.name
        if request.method not in served.methods:
            raise Refused(_method_problem(served.methods))
        if not (request.http_1_1 or request.http_1_0):
            raise Refused(_VERSION)
        head = read_fields(request.fields, keep_credential=vendor.api_key is None, judged=way.judged)
        self._check_head(plane, request, head, judged=way.judged)
        client = identify(plane.config.clients, head.credential) if plane.config.clients else None
        if client is not None:
            record.client = client.name
        plan = None
        if way.judged:
            plan = vendor.plan if client is None else lane.plan_for(client)
            record.policy = plan.label
        permit = record.permit = self._admission.admit(vendor.name, client)
        return Admitted(way, head, plan, client, permit)

    @staticmethod
    def _check_head(plane: Plane, request: Request, head: RequestHead, *, judged: bool) -> None:
        found = head.found
        if not _USUAL_FIELDS.issuperset(found):
            _check_rare(plane, request, head, judged=judged)
        if judged:
            if not is_json(found.get(b"content-type", b"")):
                raise Refused(_NOT_JSON)
        elif request.method == "GET" and (
            b"transfer-encoding" in found or found.get(b"content-length", b"").strip(b"0")
        ):
            raise Refused(_UNEXPECTED)

    async def _read(self, request: Request, admitted: Admitted, limits: Limits) -> bytes:
        """The whole body, when it did not come with its head in one piece."""
        arrival = Arrival(request.content, admitted.head.content_length, limits, admitted.permit, self._clock)
        if request.content.is_eof():
            return arrival.taken()
        arrival.reserve()
        if b"expect" in admitted.head.found and request.http_1_1:
            request.connection.write(_CONTINUE)
        return await arrival.awaited(self._deadlines)

    def _decide(self, admitted: Admitted, record: Record, body: bytes) -> bytes:
        """Parse, decide, encode. A body of a route without policy passes as it came."""
        route, plan = admitted.way.served.policy, admitted.plan
        if route is None or plan is None:
            return body
        try:
            judged = judge(plan, route, body)
        except Rejected as rejection:
            record.decision = rejection.decision
            self._note(admitted, rejection.envelope, rejection.decision)
            raise
        except Unreadable as refusal:
            self._note(admitted, refusal.envelope, refusal.problem.code)
            raise
        decision = record.decision = judged.decision
        self._note(admitted, judged.envelope, decision)
        record.stream, record.actions = judged.stream, decision.actions
        if self.tap is not None and route is Route.CHAT and decision.applies:
            self._show(self.tap, admitted, record, judged)
        return judged.body

    def _note(self, admitted: Admitted, envelope: Envelope | None, decision: Decision | str) -> None:
        """Tell the tap what was asked and decided, also when it was refused; a defect there is counted."""
        way, plan = admitted.way, admitted.plan
        if self.tap is None or plan is None or way.served.policy is None:
            return
        try:
            self.tap.note(way.lane.vendor.name, plan, way.served.policy, envelope, decision)
        except Exception:
            self._metrics.tap_failures.inc()

    def _show(self, tap: Tap, admitted: Admitted, record: Record, judged: Judged) -> None:
        """Tell the tap; a defect there is counted and concerns no client."""
        opted_out = admitted.head.found.get(OPT_OUT, b"").strip().lower() == b"off"
        try:
            record.ticket = tap.admit(
                record.request_id,
                admitted.way.lane.vendor,
                admitted.client,
                opted_out=opted_out,
                strain=self._admission.strain(),
                envelope=judged.envelope,
                decision=judged.decision,
                body=judged.body,
            )
        except Exception:
            self._metrics.tap_failures.inc()

    def _relay(self, request: Request, lane: Lane, outgoing: list[bytes], record: Record) -> Awaitable[None]:
        """Forward, and relay the answer until it is over."""
        client = request.connection
        if client.transport is None:
            raise asyncio.CancelledError
        make_relay = partial(
            Relay,
            client.transport,
            record.answer_begins,
            self._clock,
            lane.redact,
            request.http_1_0,
            self.draining or not request.keep_alive,
            None if record.ticket is None else record.ticket.part,
        )
        stall_s = self.plane.config.limits.write_stall_s
        return forward(lane, outgoing, make_relay, client, self._deadlines, stall_s, record.journey)

    def _refuse(self, request: Request, refusal: Refused, record: Record) -> bool:
        problem = refusal.problem
        record.outcome, record.status, record.code = refusal.outcome, problem.status, problem.code
        record.actions = ""
        close = self.draining or not request.keep_alive or not request.content.is_eof()
        answer = problems.raw(problem, record.receipts(), close=close)
        if request.method == "HEAD":  # served nowhere; its answer has no body (RFC 9110 section 9.3.2)
            answer = answer[: answer.index(b"\r\n\r\n") + 4]
        request.connection.write(answer)
        return not close


def _check_rare(plane: Plane, request: Request, head: RequestHead, *, judged: bool) -> None:
    """Fields that few requests have."""
    found = head.found
    if b"transfer-encoding" in found:
        problem = transfer_coding_problem(head, http_1_0=request.http_1_0, chunked=request.chunked)
        if problem is not None:
            raise Refused(problem)
    if plane.pseudonym in found.get(b"via", b""):
        raise Refused(_LOOP)
    if found.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise Refused(_EXPECTATION)
    if judged and found.get(b"content-encoding", b"identity").lower() not in (b"", b"identity"):
        raise Refused(_CODING)


def _encode(request: Request, admitted: Admitted, body: bytes) -> list[bytes]:
    """The request as it leaves. Ours come last, so that nothing a client names can take them away."""
    method = request.method
    length = b"" if method == "GET" and not body else b"Content-Length: %d\r\n\r\n" % len(body)
    return [b"".join((method.encode(), admitted.way.start, admitted.head.block, length or b"\r\n")), body]


def _method_problem(methods: frozenset[str]) -> Problem:
    allowed = ", ".join(sorted(methods))
    return Problem(
        405,
        "method-not-allowed",
        "this path is not served with this method",
        f"use {allowed}",
        headers={"Allow": allowed},
    )


_VERSION: Final = Problem(505, "http-version", "only HTTP/1.1 and HTTP/1.0 are understood", "send HTTP/1.1")
_EXPECTATION: Final = Problem(417, "expectation-unknown", "this expectation cannot be met", "leave Expect out")
_LOOP: Final = Problem(
    508,
    "loop",
    "this proxy already handled the request",
    "let the vendor's URL not lead back here",
    headers={"x-should-retry": "false"},  # OpenAI's SDKs repeat whatever is 500 or above
)
_CODING: Final = Problem(
    415,
    "content-coding",
    "a request body with a Content-Encoding cannot be judged",
    "send the body uncompressed",
    headers={"Accept-Encoding": "identity"},
)
_UNEXPECTED: Final = Problem(400, "body-unexpected", "a GET request has no body here", "send none")
_NOT_JSON: Final = Problem(
    415, "content-type", "the Content-Type is not application/json in UTF-8", "send `Content-Type: application/json`"
)
