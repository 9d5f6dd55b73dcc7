"""A real llama-server as a child process.

Here: start, readiness, restart with another model behind the same address, stop. Not here: what is asked (traffic.py).
Invariant: an engine listens on loopback alone, generates with one thread, and ends with its `with` block.
"""

from __future__ import annotations

import collections
import re
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

READY_S: Final = 60.0
STOP_S: Final = 10.0
SLOT_TOKENS: Final = 512
"""Context of one slot: the prompts are short, and answers have at most 96 tokens."""
MODEL_NAME: Final = "kimi-k2.6"
"""What the server calls its model in answers: the name that is asked for, as an honest host does."""
_LISTENING: Final = re.compile(r"listening on http://127\.0\.0\.1:(\d+)")


class EngineFailed(RuntimeError):
    """The server did not get ready; the message ends with its last lines."""


class Engine:
    """`with Engine(server, model) as engine:` serves `engine.url`, a base URL that ends in /v1.

    `template` is a Jinja chat template; None takes the one in the model file. `slots` is how many answers are generated
    side by side, each within a context of `slot_tokens`. `tools`: with its tool-call parser.
    """

    def __init__(
        self,
        server: Path,
        model: Path,
        *,
        template: str | None = None,
        slots: int = 4,
        slot_tokens: int = SLOT_TOKENS,
        tools: bool = False,
    ) -> None:
        self._server = server
        self._model = model
        self._template = template
        self._slots = slots
        self._slot_tokens = slot_tokens
        self._tools = tools
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self._draining: threading.Thread | None = None
        self._last: collections.deque[str] = collections.deque(maxlen=20)

    @property
    def url(self) -> str:
        """Only while it runs."""
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> None:
        """Start and wait until it answers. Raises EngineFailed."""
        # --no-repack: llama.cpp's repacked kernels choose AMX by the processor's name alone, and a virtual machine that
        # names AMX without granting it ends the server with an illegal instruction.
        command = [self._server, "--model", self._model, "--host", "127.0.0.1", "--port", str(self._port)]
        command += [
            "--threads",
            "1",
            "--parallel",
            str(self._slots),
            "--ctx-size",
            str(self._slot_tokens * self._slots),
        ]
        command += ["--no-repack", "--no-ui", "--alias", MODEL_NAME]
        if self._tools:
            command.append("--jinja")
        if self._template is not None:
            command += ["--chat-template", self._template]
        self._process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        late = threading.Timer(READY_S, self._process.kill)
        late.start()
        try:
            self._port = self._read_port(self._process.stderr)
        except EngineFailed:
            self.stop()
            raise
        finally:
            late.cancel()
        self._draining = threading.Thread(target=self._last.extend, args=(self._process.stderr,), daemon=True)
        self._draining.start()

    def become(self, model: Path, *, template: str | None = None) -> None:
        """Serve another model, or another template, at the same address: what a vendor's redeployment looks like."""
        self.stop()
        self._model, self._template = model, template
        self.start()

    def stop(self) -> None:
        """End the server."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        draining, self._draining = self._draining, None
        if draining is not None:
            draining.join()
        if process.stderr is not None:
            process.stderr.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read_port(self, lines: IO[str]) -> int:
        for line in lines:
            self._last.append(line)
            if found := _LISTENING.search(line):
                return int(found[1])
        raise EngineFailed(f"{self._server} did not get ready with {self._model}:\n{''.join(self._last)}")
