# Finds a Python for the entry points beside this file; they source it.
# Sets root (the checkout), VENV (its virtual environment) and PYTHON.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
VENV=${BEM_VENV:-$root/.venv}
export VENV

find_python() {
    for candidate in ${BEM_PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
            2>/dev/null; then
            PYTHON=$candidate
            return 0
        fi
    done
    echo "This needs Python 3.11, 3.12 or 3.13, and none is on the PATH." >&2
    echo "Debian, Ubuntu: sudo apt-get install python3 python3-venv; else BEM_PYTHON=/path/to/it." >&2
    return 1
}

find_python || exit 1
