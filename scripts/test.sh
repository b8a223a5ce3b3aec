#!/bin/sh
# Run the tests headless. Threads are held at one per library: on two cores more of them fight each other.
set -eu
cd "$(dirname "$0")/.."
export QT_QPA_PLATFORM="${QT_QPA_PLATFORM:-offscreen}" OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONFAULTHANDLER=1
missing=$(.venv/bin/python -m journal_app.system_libraries offscreen) || {
    # As root on a machine with apt (a container, say) the libraries are part of "what the tests need".
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "$missing"
        (apt-get update -qq && .venv/bin/python -m journal_app.system_libraries --packages offscreen |
            DEBIAN_FRONTEND=noninteractive xargs apt-get install -y -qq) >/dev/null 2>&1 || true
    fi
    .venv/bin/python -m journal_app.system_libraries offscreen || echo "The tests of the window are skipped without them."
}
exec .venv/bin/python -m pytest "$@"
