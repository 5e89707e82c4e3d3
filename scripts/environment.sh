# Sourced by the other scripts: makes the virtual environment .venv and installs the project into it, with the
# extras given in $1 (such as [test]). Needs Python 3.11 or newer with venv and headers, a C++ compiler, and
# pip's index.

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $python is $("$python" --version 2>&1). Set PYTHON=/path/to/python3.11" >&2
    exit 1
}
missing=
command -v "${CXX:-c++}" >/dev/null || missing+=" g++"
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=" python3-venv"
"$python" -c 'import os, sys, sysconfig as s; sys.exit(not os.path.exists(s.get_path("include") + "/Python.h"))' ||
    missing+=" python3-dev"
if [ -n "$missing" ]; then
    echo "Not found:${missing}; on Debian or Ubuntu, as root: apt-get install${missing}" >&2
    exit 1
fi
# Its scripts name their Python by its whole path: a checkout that was moved or copied needs others.
grep -qsF "$(pwd -P)/.venv/bin/python" .venv/bin/pip || "$python" -m venv --clear .venv
PATH=$PWD/.venv/bin:$PATH

# Installed anew when a source has changed since this began; each set of extras has its own mark.
mark=".venv/installed${1:-}"
if [ ! -e "$mark" ] || [ -n "$(find engine py data_prep CMakeLists.txt pyproject.toml -newer "$mark" -type f \
    -not -name '*.pyc' -print -quit)" ]; then
    rm -f .venv/installed*
    touch .venv/installing
    pip install --quiet --disable-pip-version-check ".${1:-}"
    mv .venv/installing "$mark"
fi
