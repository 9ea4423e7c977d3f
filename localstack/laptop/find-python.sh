#!/bin/sh
# Prints the path of a Python that runs, of the version given (default: 3.12). pyenv's shims may be there and fail, so
# that each candidate is tried, and the versions beside a shim folder too.
version=${1:-3.12}
shims=$(dirname "$(command -v "python$version" || command -v python3 || echo /)")
for candidate in "${INGOT_PYTHON:-}" "python$version" "$shims"/../versions/"$version"*/bin/"python$version" python3 python \
    "/usr/local/bin/python$version" "/opt/homebrew/bin/python$version"; do
    [ -n "$candidate" ] || continue
    "$candidate" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' "$version" 2>/dev/null &&
        exec "$candidate" -c 'import sys; print(sys.executable)'
done
echo "There is no Python $version that runs. Install it, or name one: make INGOT_PYTHON=/path/to/python$version" >&2
exit 1
