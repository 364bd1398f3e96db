#!/bin/sh
# Installs what a build needs and is not there yet: a C compiler, make, git, Python's venv,
# Redis for the tests, and Rust.
# Says nothing when there is nothing to do. Never asks.
set -eu
cd "$(dirname "$0")/.."

missing=""
need() { # COMMAND PACKAGES...
    command -v "$1" >/dev/null 2>&1 || { shift; missing="$missing $*"; }
}
need cc build-essential
need make make
need git git
need curl curl
need python3 python3 python3-venv
# The tests start one of their own.
need redis-server redis-server
need openssl openssl
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$missing python3-venv"
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1; then sudo "$@"
    else
        echo "setup: needs root to run: $*" >&2
        exit 1
    fi
}
install() {
    command -v apt-get >/dev/null 2>&1 || {
        echo "setup: there is no apt-get here; install these yourself:$*" >&2
        exit 1
    }
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
if [ -n "$missing" ]; then
    echo "setup: installing$missing"
    # shellcheck disable=SC2086 # a list of packages
    install $missing
fi

# Rust: whatever `cargo` is there, if it serves; else Debian's rustup, where Debian has one.
if ! command -v cargo >/dev/null 2>&1 && ! command -v rustup >/dev/null 2>&1; then
    echo "setup: installing rustup"
    install rustup || {
        channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
        echo "setup: this Debian has no package \`rustup\` (it came with 13), and its own Rust is too old:" >&2
        echo "setup: install Rust $channel with rustup (https://rustup.rs), then try again" >&2
        exit 1
    }
fi
if ! cargo --version >/dev/null 2>&1; then
    channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
    echo "setup: installing Rust $channel"
    rustup toolchain install "$channel" --profile minimal --component clippy --component rustfmt
fi
# A `cargo` that is not rustup's does not read rust-toolchain.toml, and may be too old.
minor=$(cargo --version | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
if [ "${minor:-0}" -lt 95 ]; then
    echo "setup: $(cargo --version) is too old, 1.95 is needed: install Rust with rustup" >&2
    exit 1
fi
