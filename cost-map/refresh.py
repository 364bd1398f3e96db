"""Refreshes the price map that is compiled in: `prices.json` and `prices.meta.json`.

    python3 refresh.py --date 2026-11-21                          the newest litellm package
    python3 refresh.py --date 2026-11-21 litellm-1.2.3-….whl      a wheel that is already here
    python3 refresh.py --date 2026-11-21 --version 1.2.3 map.json a map that is already here

Figures and flags are kept, with the digits that they had; free text is dropped. One entry stands
on one line and everything is sorted, so that the difference between two refreshes can be read.
"""

import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
MAP_IN_WHEEL = "litellm/model_prices_and_context_window_backup.json"
FREE_TEXT = {"comment", "metadata", "source"}
# A description of the fields and rules for names: neither is a model.
NOT_MODELS = {"fallback_generalizations", "sample_spec"}
# Stands before a number that travels through the JSON module as a string.
DIGITS = "\u0001digits:"


def main():
    arguments = read_arguments()
    raw, version = read_source(arguments)
    text = render(parse(raw))
    (HERE / "prices.json").write_text(text, encoding="utf-8")
    meta = {
        "date": arguments.date,
        "litellm": version,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    (HERE / "prices.meta.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
    print(f"litellm {version}: {text.count(chr(10)) - 2} entries, {len(text)} bytes")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?", help="a litellm wheel or a map; downloaded if absent")
    parser.add_argument("--date", required=True, help="the day of the refresh, YYYY-MM-DD")
    parser.add_argument("--version", help="the litellm version that a map comes from")
    return parser.parse_args()


def read_source(arguments):
    """The map's bytes, and the version of litellm they come from."""
    if arguments.source is None:
        with tempfile.TemporaryDirectory() as folder:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            subprocess.run([*pip, "--dest", folder, "litellm"], check=True)
            (wheel,) = pathlib.Path(folder).glob("litellm-*.whl")
            return from_wheel(wheel)
    source = pathlib.Path(arguments.source)
    if source.suffix == ".whl":
        return from_wheel(source)
    if arguments.version is None:
        sys.exit("a map does not know its version: say --version")
    return source.read_bytes(), arguments.version


def from_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(MAP_IN_WHEEL), wheel.name.split("-")[1]


def parse(raw):
    def keep_digits(text):
        return DIGITS + text

    def refuse(text):
        raise ValueError(f"{text} is not a figure")

    return json.loads(
        raw, parse_float=keep_digits, parse_int=keep_digits, parse_constant=refuse
    )


def render(entries):
    """One entry on one line, sorted."""
    lines = []
    for name in sorted(entries.keys() - NOT_MODELS):
        kept = {key: value for key, value in entries[name].items() if key not in FREE_TEXT}
        value = json.dumps(kept, sort_keys=True, ensure_ascii=False)
        value = re.sub(r'"\\u0001digits:([^"]*)"', r"\1", value)
        lines.append(f"{json.dumps(name, ensure_ascii=False)}: {value}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
