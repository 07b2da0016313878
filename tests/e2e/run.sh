#!/bin/sh
# Runs a suite beside it against rcsd: `run.sh acp`, `run.sh streams`, with what its test runner shall be told behind
# that. Installs there what the suite needs: needs node 20 or later with npm, and nothing else. RCSD names the program;
# without it, the debug build is made and used.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
suite=$1
shift
command -v npm >/dev/null || { echo "npm is missing: install node 20 or later" >&2; exit 1; }
if [ -z "${RCSD:-}" ]; then
    (cd "$root" && cargo build --bin rcsd)
    RCSD="${CARGO_TARGET_DIR:-$root/target}/debug/rcsd"
fi
export RCSD
cd "$here/$suite"
# Installed again when the lock changed, and not otherwise.
if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --no-audit --no-fund
    cp package-lock.json node_modules/.installed
fi
exec npm test --silent -- "$@"
