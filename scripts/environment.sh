# Sourced by the other scripts: makes the virtual environment .venv and installs the project into it, with the
# extras given in $1 (such as [test]). Needs Python 3.11 or newer with venv, a C++ compiler, and pip's index.

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $python is $("$python" --version 2>&1). Set PYTHON=/path/to/python3.11" >&2
    exit 1
}
command -v "${CXX:-c++}" >/dev/null || {
    echo "A C++ compiler is needed; on Debian or Ubuntu: sudo apt-get install g++" >&2
    exit 1
}
[ -x .venv/bin/pip ] || "$python" -m venv .venv || {
    echo "The venv module is needed; on Debian or Ubuntu: sudo apt-get install python3-venv" >&2
    exit 1
}
PATH=$PWD/.venv/bin:$PATH
pip install --quiet --disable-pip-version-check ".${1:-}"
