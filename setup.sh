#!/bin/sh
# Prepares a bare Debian machine: system packages through apt where that is allowed, then .venv, then this project in it.
# Called by the Makefile; quick when there is nothing to do.
set -eu
cd "$(dirname "$0")"
venv=${VENV:-.venv}

missing=""
need() { missing="$missing $1"; }
command -v python3 >/dev/null 2>&1 || need python3
python3 -c 'import venv, ensurepip' 2>/dev/null || need python3-venv
python3 -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' 2>/dev/null \
    || need python3-dev
command -v cc >/dev/null 2>&1 && echo 'int main(void){return 0;}' | cc -x c -fsanitize=address,undefined -o /dev/null - 2>/dev/null \
    || need "gcc libc6-dev"
[ -e /etc/ssl/certs/ca-certificates.crt ] || need ca-certificates

if [ -n "$missing" ]; then
    line="apt-get install -y --no-install-recommends$missing"
    if [ "$(id -u)" = 0 ]; then as_root=""
    elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then as_root="sudo"
    else as_root="none"; fi
    if [ "$as_root" = none ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "Ullage needs system packages that are not here:$missing" >&2
        echo "Install them, then run make again:" >&2
        echo "    sudo apt-get update && sudo $line" >&2
        exit 1
    fi
    echo "installing system packages:$missing"
    $as_root apt-get update -q
    $as_root env DEBIAN_FRONTEND=noninteractive $line # sudo would strip it from the environment
fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Ullage needs Python 3.11 or later; python3 here is $(python3 --version)" >&2
    exit 1
}
# A virtual environment that was moved or half made does not run: start it again.
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || { rm -rf "$venv"; python3 -m venv "$venv"; }
echo "installing Ullage into $venv (a few minutes the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[test,bench,ground]'
