"""The life of a request, in one function: admit, read, parse, decide, encode, forward, relay, tap.

Not here: how any of these is done. Invariant: every request that reaches `handle` leaves through its last block, so it
is counted once, its permit is returned, and nothing of it stays behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from proxy.config.values import Limits
from proxy.contract.exchange import Tap
from proxy.metrics.worker import Metrics
from proxy.policy.decide import Plan
from proxy.wire import problems, routes
from proxy.wire.admission import Admission, Permit, identify
from proxy.wire.aiohttp_hooks import Request
from proxy.wire.body import Arrival
from proxy.wire.capture import Capture
from proxy.wire.deadlines import Deadlines
from proxy.wire.forward import forward
from proxy.wire.headers import RequestHead, is_json, read_fields, transfer_coding_problem
from proxy.wire.judge import Rejected, judge
from proxy.wire.plane import Lane, Plane
from proxy.wire.problems import INTERNAL, NOT_FOUND, Problem, Refused
from proxy.wire.record import Record, conclude
from proxy.wire.relay import Relay

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Admitted(NamedTuple):
    """What admission found out, and the permit it took. `plan` None: the body passes as it came."""

    lane: Lane
    match: routes.Match
    head: RequestHead
    plan: Plan | None
    permit: Permit


class Rim(NamedTuple):
    """What the pipeline is given from outside: time, ids, and where results go. `tap` None: nobody listens."""

    clock: Callable[[], float]
    new_id: Callable[[], str]
    log: Callable[[dict[str, object]], None]
    fault: Callable[[BaseException], None]
    tap: Tap | None = None


class Pipeline:
    """Handles requests with the plane of the moment. `draining` asks clients to go elsewhere after their answer."""

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
        self._tap = rim.tap
        self._clock = rim.clock
        self._new_id = rim.new_id
        self._log = rim.log
        self._fault = rim.fault

    async def handle(self, request: Request) -> bool:
        """One request, from its head to the last byte of its answer; whether its connection may carry another one.

        I/O happens at read and at relay, nowhere else.
        """
        plane, record = self.plane, Record(self._new_id(), self._clock())
        permit: Permit | None = None
        try:
            admitted = self._admit(plane, request, record)
            permit = admitted.permit
            body = await self._read(request, admitted, plane.config.limits)
            record.read_at, record.body_bytes = self._clock(), len(body)
            body = self._decide(admitted, record, body)
            if self._tap is not None:
                record.body = body
            outgoing = _encode(request, admitted, body)
            del body  # while the answer streams, only the connection holds what was sent
            await self._relay(request, admitted, outgoing, record)
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
            if permit is not None:
                permit.release()
            self._log(conclude(record, self._metrics, self._tap, self._clock()))

    def _admit(self, plane: Plane, request: Request, record: Record) -> Admitted:
        """From the head alone: route, vendor, client, room. Raises Refused."""
        match = routes.match(request.target)
        lane = plane.lane(match.vendor) if match is not None else None
        if match is None or lane is None:
            raise Refused(NOT_FOUND if request.method in routes.METHODS else _method_problem(routes.METHODS))
        record.route, record.vendor = match.served.label, lane.vendor.name
        if request.method not in match.served.methods:
            raise Refused(_method_problem(match.served.methods))
        if not (request.http_1_1 or request.http_1_0):
            raise Refused(_VERSION)
        judged = match.served.policy is not None
        head = read_fields(request.fields, keep_credential=lane.vendor.api_key is None, judged=judged)
        self._check_head(plane, request, head, judged=judged)
        client = identify(plane.config.clients, head.credential)
        if client is not None:
            record.client = client.name
        plan = lane.plan_for(client) if judged else None
        if plan is not None:
            record.judged, record.policy, record.params = True, plan.label, plan.params
        permit = self._admission.admit(lane.vendor.name, client)
        return Admitted(lane, match, head, plan, permit)

    @staticmethod
    def _check_head(plane: Plane, request: Request, head: RequestHead, *, judged: bool) -> None:
        if head.transfer_coding:
            problem = transfer_coding_problem(head, http_1_0=request.http_1_0)
            if problem is not None:
                raise Refused(problem)
        if plane.pseudonym in head.via:
            raise Refused(_LOOP)
        if head.expect and head.expect.lower() != b"100-continue":
            raise Refused(_EXPECTATION)
        if judged and head.content_coding and head.content_coding.lower() not in (b" ", b"identity"):
            raise Refused(_CODING)
        if judged and not is_json(head.content_type):
            raise Refused(_NOT_JSON)
        if not judged and request.method == "GET" and (head.transfer_coding or head.length.strip(b"0 ")):
            raise Refused(_UNEXPECTED)

    async def _read(self, request: Request, admitted: Admitted, limits: Limits) -> bytes:
        """The whole body. Most bodies came with their head, and nothing has to be awaited."""
        arrival = Arrival(request.content, admitted.head.content_length, limits, admitted.permit, self._clock)
        if request.content.is_eof():
            return arrival.taken()
        arrival.reserve()
        if admitted.head.expect and request.http_1_1:
            request.connection.write(_CONTINUE)
        return await arrival.awaited(self._deadlines)

    def _decide(self, admitted: Admitted, record: Record, body: bytes) -> bytes:
        """Parse, decide, encode. A body of a route without policy passes as it came."""
        route, plan = admitted.match.served.policy, admitted.plan
        if route is None or plan is None:
            return body
        try:
            judged = judge(plan, route, body)
        except Rejected as rejection:
            record.rejected, record.mode = True, rejection.mode
            record.findings, record.observed = rejection.findings, rejection.observed
            raise
        record.mode, record.stream, record.actions = judged.mode, judged.stream, judged.actions
        record.findings, record.observed, record.translated = judged.findings, judged.observed, judged.translated
        return judged.body

    async def _relay(self, request: Request, admitted: Admitted, outgoing: list[bytes], record: Record) -> None:
        """Forward, and relay the answer until it is over."""
        client = request.connection
        transport = client.transport
        if transport is None:
            raise asyncio.CancelledError
        http_1_0 = request.http_1_0
        close = self.draining or not request.keep_alive

        def own_head(status: int) -> bytes:
            admitted.permit.drop_body()
            return _receipt_lines(record, status)

        def make_relay(done: Callable[[str | None], None]) -> Relay:
            return Relay(
                transport,
                own_head,
                Capture(),
                self._clock,
                done,
                http_1_0=http_1_0,
                close_client=close,
                redact=admitted.lane.redact,
            )

        stall_s = self.plane.config.limits.write_stall_s
        await forward(admitted.lane, outgoing, make_relay, client, self._deadlines, stall_s, record.journey)

    def _refuse(self, request: Request, refusal: Refused, record: Record) -> bool:
        problem = refusal.problem
        record.outcome, record.status, record.code = refusal.outcome, problem.status, problem.code
        record.actions = ""
        close = self.draining or not request.keep_alive or not request.content.is_eof()
        answer = problems.raw(problem, receipts(record), close=close)
        if request.method == "HEAD":  # served nowhere; its answer has no body (RFC 9110 section 9.3.2)
            answer = answer[: answer.index(b"\r\n\r\n") + 4]
        request.connection.write(answer)
        return not close


def _encode(request: Request, admitted: Admitted, body: bytes) -> list[bytes]:
    """The request as it leaves. Ours come last, so that nothing a client names can take them away."""
    lane, head = admitted.lane, admitted.head
    length = b"" if request.method == "GET" and not body else b"Content-Length: %d\r\n" % len(body)
    line = lane.request_line(request.method, admitted.match)
    return [b"".join((line, lane.head_end, *head.forwarded, length, b"\r\n")), body]


def receipts(record: Record) -> dict[str, str]:
    """What every answer says about what was done, without content."""
    lines = {"x-paramwall-request-id": record.request_id}
    if record.policy:
        lines["x-paramwall-policy"] = record.policy
    if record.actions:
        lines["x-paramwall-actions"] = record.actions
    return lines


def _receipt_lines(record: Record, status: int) -> bytes:
    lines = f"x-paramwall-request-id: {record.request_id}\r\n"
    if record.policy:
        lines += f"x-paramwall-policy: {record.policy}\r\n"
    if record.actions:
        lines += f"x-paramwall-actions: {record.actions}\r\n"
    if status >= 400:
        lines += "x-paramwall-error-source: vendor\r\n"
    return lines.encode("ascii")


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
_LOOP: Final = Problem(508, "loop", "this proxy already handled the request", "let the vendor's URL not lead back here")
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
