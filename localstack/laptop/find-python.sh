#!/bin/sh
# Prints the path of a Python 3.12 that runs. pyenv's shims may be there and fail, so that each candidate is tried,
# and the versions beside a shim folder too.
shims=$(dirname "$(command -v python3.12 || command -v python3 || echo /)")
for candidate in "${INGOT_PYTHON:-}" python3.12 "$shims"/../versions/3.12*/bin/python3.12 python3 python \
    /usr/local/bin/python3.12 /opt/homebrew/bin/python3.12; do
    [ -n "$candidate" ] || continue
    "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null &&
        exec "$candidate" -c 'import sys; print(sys.executable)'
done
echo "There is no Python 3.12 that runs. Install it, or name one: make INGOT_PYTHON=/path/to/python3.12 setup" >&2
exit 1
