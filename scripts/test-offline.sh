#!/bin/sh
# Run the app's tests where there is no network: in a namespace without interfaces, in which even loopback is down.
set -eu
cd "$(dirname "$0")/.."
if [ "$(uname)" != Linux ] || ! command -v unshare >/dev/null; then
    echo "A network namespace is needed, which only Linux has (command: unshare). Nothing was tested." >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then leave="unshare --net"; else leave="unshare --map-root-user --net"; fi
if ! $leave true 2>/dev/null; then
    echo "This system lets nobody leave its network ($leave is refused; in a container, often by its profile)." >&2
    echo "Nothing was tested. Try it on a plain Linux, or as root." >&2
    exit 1
fi
# The proof that there is none, before anything is tested.
$leave .venv/bin/python - <<'EOF'
import socket, sys
names = [line.split(":")[0].strip() for line in open("/proc/self/net/dev").readlines()[2:]]
try:
    socket.create_connection(("127.0.0.1", 9), 2)
    reached = True
except ConnectionError:
    reached = True  # refused by somebody: there is a loopback
except OSError:
    reached = False
if names not in ([], ["lo"]) or reached:
    sys.exit("There is still a network here. Nothing was tested.")
EOF
echo "No network: no interface, loopback is down. Running the app's tests."
exec $leave scripts/test.sh tests --ignore=tests/trainer -m "not slow and not torch and not corpora" "$@"
