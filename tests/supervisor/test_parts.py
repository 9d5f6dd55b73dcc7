"""The supervisor's small parts: back-off, watched files, notes, sockets, what a process uses."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import orjson
import pytest

from proxy.config.values import Address
from proxy.supervisor import sockets
from proxy.supervisor.backoff import BackOff
from proxy.supervisor.notes import Notes
from proxy.supervisor.usage import usage_of
from proxy.supervisor.watch import Watch


@pytest.mark.parametrize(
    ("lifetimes", "pauses"),
    [
        ([0.0] * 9, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]),
        ([0.0, 0.0, 30.0, 0.0], [0.1, 0.2, 0.1, 0.2]),
        ([29.9, 29.9], [0.1, 0.2]),
    ],
    ids=["doubles up to its limit", "starts anew after a long life", "a shorter life does not count"],
)
def test_back_off(lifetimes: list[float], pauses: list[float]) -> None:
    back_off = BackOff()
    assert [back_off.after(lifetime) for lifetime in lifetimes] == pytest.approx(pauses)


class TestWatch:
    def test_a_change_is_told_once(self, tmp_path: Path) -> None:
        file = tmp_path / "a.yaml"
        file.write_text("one")
        watch = Watch([str(file)])
        assert not watch.changed()
        file.write_text("two, longer")
        assert watch.changed()
        assert not watch.changed()

    def test_the_same_bytes_are_no_change(self, tmp_path: Path) -> None:
        file = tmp_path / "a.yaml"
        file.write_text("one")
        watch = Watch([str(file)])
        os.utime(file, (1, 1))
        assert not watch.changed()
        twin = tmp_path / "b.yaml"
        twin.write_text("one")
        twin.replace(file)
        assert not watch.changed()

    def test_a_moved_symbolic_link_is_a_change(self, tmp_path: Path) -> None:
        """How a mounted ConfigMap changes."""
        for name in ("v1", "v2"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "a.yaml").write_text(name)
        link, new = tmp_path / "data", tmp_path / "new"
        link.symlink_to("v1")
        watch = Watch([str(link / "a.yaml")])
        new.symlink_to("v2")
        new.replace(link)
        assert watch.changed()

    def test_a_file_that_goes_and_comes_back(self, tmp_path: Path) -> None:
        file = tmp_path / "a.yaml"
        watch = Watch([str(file)])
        assert not watch.changed()
        file.write_text("one")
        assert watch.changed()
        file.unlink()
        assert watch.changed()

    def test_what_changed_before_a_file_was_dropped_is_no_news(self, tmp_path: Path) -> None:
        kept, dropped, added = (tmp_path / name for name in ("kept", "dropped", "added"))
        for file in (kept, dropped, added):
            file.write_text("one")
        watch = Watch([str(kept), str(dropped)])
        kept.write_text("another")
        dropped.write_text("another")
        added.write_text("another")
        watch.follow([str(kept), str(added)])
        assert watch.changed(), "what is known of a kept file is from before"
        dropped.write_text("a third one")
        assert not watch.changed()


class TestNotes:
    def test_plain(self) -> None:
        lines: list[bytes] = []
        notes = Notes(lines.append, lambda: 0.0, as_json=False)
        notes.say("ready")
        notes.fail("two\nlines")
        assert lines == [b"paramwall: ready", b"paramwall: error: two lines"]

    def test_json(self) -> None:
        lines: list[bytes] = []
        Notes(lines.append, lambda: 1.5, as_json=True).warn("a \udc80 surrogate")
        assert orjson.loads(lines[0]) == {
            "time": "1970-01-01T00:00:01.500Z",
            "event": "supervisor",
            "level": "warning",
            "message": "a ? surrogate",
        }


class TestSockets:
    def test_port_in_use_names_the_remedy(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(sockets.CannotStart) as refused:
                sockets.listen([Address("127.0.0.1", 0), Address("127.0.0.1", port)], "--listen")
        assert str(refused.value) == (
            f"cannot listen on 127.0.0.1:{port}: another process listens there\n"
            f"  hint: stop it (`ss -ltnp 'sport = :{port}'` names it) or choose another with --listen HOST:PORT"
        )

    @pytest.mark.parametrize(
        ("host", "message"),
        [("203.0.113.7", "this machine has no such address"), ("no.such.host.invalid", "no such host")],
    )
    def test_no_such_address(self, host: str, message: str) -> None:
        with pytest.raises(sockets.CannotStart, match=message):
            sockets.listen([Address(host, 0)], "--admin")

    def test_permission(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def denied(*_: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(sockets, "_bound", denied)
        with pytest.raises(sockets.CannotStart, match="choose a port above 1023 with --listen"):
            sockets.listen([Address("127.0.0.1", 80)], "--listen")

    def test_options(self) -> None:
        (sock,) = sockets.listen([Address("127.0.0.1", 0)], "--listen")
        with sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            assert not sock.getblocking()
            assert sockets.shown(sock) == f"127.0.0.1:{sock.getsockname()[1]}"

    def test_an_ipv6_address_is_shown_in_brackets(self) -> None:
        (sock,) = sockets.listen([Address("::1", 0)], "--listen")
        with sock:
            assert sockets.shown(sock).startswith("[::1]:")


class TestUsage:
    def test_of_this_process(self) -> None:
        before = usage_of(os.getpid())
        assert before is not None
        with socket.socket():
            during = usage_of(os.getpid())
        assert during is not None
        assert during.open_fds == before.open_fds + 1
        assert during.resident_bytes > 1024 * 1024
        assert during.cpu_s > 0

    def test_of_none(self) -> None:
        assert usage_of(2**30) is None
