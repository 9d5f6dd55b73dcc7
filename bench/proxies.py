"""How each proxy is started: plain nginx and Envoy as the yardsticks, LiteLLM as the peer, and ours.

Not here: starting and measuring. Invariant: every proxy gets one worker, the same vendor, no access log but the one
that cannot be switched off, and settings that a careful operator would choose for streaming.

nginx comes from Debian; Envoy and LiteLLM from the folder BENCH_PEERS (default bench/peers), made by bench/setup.sh.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.processes import free_port

OURS: Final = "paramwall"
YARDSTICK: Final = "envoy"
PEER: Final = "litellm"
DIRECT: Final = "direct"
"""No proxy at all: the floor of the latency figures."""
OUR_COMMAND: Final = (
    f"{shlex.quote(sys.executable)} -m proxy serve --config {{config}} --vendor {{vendor}}"
    " --listen 127.0.0.1:{port} --admin 127.0.0.1:{admin} --workers 1"
)
_OUR_FILE: Final = "version: 1\nsignals: {fraction: 0%}\n"
"""No other proxy looks at answers; what that costs is measured by bench.shadow."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a proxy runs: its port, the vendor's port, and a folder for its configuration, all its own."""

    port: int
    vendor_port: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Launch:
    """What to execute."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def _peers() -> Path:
    return Path(os.environ.get("BENCH_PEERS", Path(__file__).parent / "peers")).resolve()


def _nginx(place: Place) -> Launch:
    place.folder.chmod(0o755)  # nginx started by root works as another user
    file = place.folder / "nginx.conf"
    file.write_text(f"""\
worker_processes 1; daemon off; pid {place.folder}/nginx.pid; error_log /dev/null crit;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_max_body_size 64m; client_body_buffer_size 1m;
  client_body_temp_path {place.folder}/nginx-body; proxy_temp_path {place.folder}/nginx-proxy;
  upstream vendor {{ server 127.0.0.1:{place.vendor_port}; keepalive 512; }}
  server {{
    listen 127.0.0.1:{place.port} backlog=4096;
    location / {{
      proxy_pass http://vendor; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
""")
    return Launch(("nginx", "-c", str(file)))


_ENVOY_FILTERS: Final = "type.googleapis.com/envoy.extensions.filters"


def _envoy(place: Place) -> Launch:
    file = place.folder / "envoy.yaml"
    file.write_text(f"""\
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {place.port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {_ENVOY_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: "/"}}, route: {{cluster: vendor, timeout: 0s}}}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": {_ENVOY_FILTERS}.http.router.v3.Router}}
  clusters:
  - name: vendor
    type: STATIC
    circuit_breakers: {{thresholds: [{{max_connections: 8192, max_pending_requests: 8192, max_requests: 8192}}]}}
    load_assignment:
      cluster_name: vendor
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {place.vendor_port}}}}}}}
""")
    envoy = str(_peers() / "envoy/bin/envoy")
    return Launch((envoy, "-c", str(file), "--concurrency", "1", "-l", "error", "--base-id", str(place.port)))


def _litellm(place: Place) -> Launch:
    file = place.folder / "litellm.yaml"
    file.write_text(f"""\
model_list:
- model_name: kimi-k2.6
  litellm_params: {{model: openai/kimi-k2.6, api_base: "http://127.0.0.1:{place.vendor_port}/v1", api_key: unused}}
litellm_settings: {{drop_params: true, telemetry: false}}
""")
    # Both keep it from needing anything but this machine: no master key to set up, no price list to fetch.
    environment = {
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    litellm = str(_peers() / "litellm/bin/litellm")
    return Launch((litellm, "--config", str(file), "--port", str(place.port), "--host", "127.0.0.1"), environment)


def ours(command: str) -> Callable[[Place], Launch]:
    """Our proxy by a command with {port}, {vendor} (a URL that ends in /v1), {admin} (a port), and {config}: a file
    that switches the checks off.
    """

    def launch(place: Place) -> Launch:
        vendor, config = f"http://127.0.0.1:{place.vendor_port}/v1", place.folder / "paramwall.yaml"
        config.write_text(_OUR_FILE, encoding="utf-8")
        said = command.format(port=place.port, vendor=vendor, admin=free_port(), config=shlex.quote(str(config)))
        return Launch(tuple(shlex.split(said)))

    return launch


def proxies(our_command: str = OUR_COMMAND) -> dict[str, Callable[[Place], Launch]]:
    """Every proxy by name, in the order of the published table."""
    return {"nginx": _nginx, YARDSTICK: _envoy, PEER: _litellm, OURS: ours(our_command)}


def missing(name: str) -> str:
    """Why a proxy cannot be measured here; "" when it can."""
    needed = {
        "nginx": Path("nginx"),
        YARDSTICK: _peers() / "envoy/bin/envoy",
        PEER: _peers() / "litellm/bin/litellm",
    }
    if name in needed and shutil.which(needed[name]) is None:
        return f"{name} is not installed; hint: bash bench/setup.sh"
    return ""
