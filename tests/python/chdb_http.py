"""ClickHouse's HTTP interface in front of its embedded engine: `chdb_http.py DIRECTORY PORT`.

As much of it as the sink uses: questions in the body, inserts with their rows in the body, settings in the URL, a user and a
password, answers and exceptions with their codes. Says `ready` when it can be asked. Whatever it does not know, it refuses,
so that nothing passes here that the real server would treat in another way.

Two files in DIRECTORY make it misbehave, each once, and are taken away: `die-after-insert` kills it when the rows
of an insert are stored and nobody has been told; `die-in-insert` kills it while they arrive.
"""

import json
import os
import re
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import lz4.frame
from chdb import session

USER, PASSWORD = "writer", "clickhouse-password"
INSERT = re.compile(r"(INSERT INTO [\w.]+ \([\w, ]+\)) FORMAT (RowBinaryWithNamesAndTypes)")
# What the sink may set, and whether it is a setting of the insert.
SETTINGS = {"async_insert", "insert_deduplicate", "insert_deduplication_token", "max_partitions_per_insert_block"}
KNOWN = SETTINGS | {"query", "wait_end_of_query", "default_format"}
STATUS = {60: 404, 81: 404, 516: 403, 497: 403, 62: 400}

directory = Path(sys.argv[1])
engine = session.Session(str(directory / "data"))
lock = threading.Lock()


class Refused(Exception):
    """What the server has to say, with its code."""


def asked_to_die(name):
    path = directory / name
    if path.exists():
        path.unlink()
        return True
    return False


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def insert(query, settings, body):
    match = INSERT.fullmatch(query)
    if not match:
        raise Refused("Code: 62. DB::Exception: this server takes no such insert. (SYNTAX_ERROR)")
    quoted = ", ".join(f"{name} = '{value}'" for name, value in sorted(settings.items()))
    if not all(re.fullmatch(r"[\w-]+", value) for value in settings.values()):
        raise Refused("Code: 62. DB::Exception: a setting would have to be quoted. (SYNTAX_ERROR)")
    dying = asked_to_die("die-in-insert")
    with engine.send_insert(f"{match[1]} SETTINGS {quoted}", match[2]) as rows:
        if dying:
            rows.append(body[: len(body) // 2])
            die()
        rows.append(body)
        written = rows.finish().rows_written
    if asked_to_die("die-after-insert"):
        die()
    return written


def ask(query, form):
    match = re.search(r"\bFORMAT (\w+)\s*$", query)
    found = engine.query(query, match[1] if match else form)
    return found.bytes() if found is not None else b""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True, strict_parsing=True))
        try:
            if unknown := given.keys() - KNOWN:
                raise Refused(f"Code: 115. DB::Exception: Unknown setting {unknown}. (UNKNOWN_SETTING)")
            if (self.headers["x-clickhouse-user"], self.headers["x-clickhouse-key"]) != (USER, PASSWORD):
                raise Refused("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)")
            if self.headers["content-encoding"] == "lz4":
                body = lz4.frame.decompress(body)
            with lock:
                if query := given.get("query"):
                    settings = {name: value for name, value in given.items() if name in SETTINGS}
                    written, answer = insert(query, settings, body), b""
                else:
                    written, answer = 0, ask(body.decode(), given.get("default_format", "TabSeparated"))
            self.reply(200, answer, {"X-ClickHouse-Summary": json.dumps({"written_rows": str(written)})})
        except Exception as error:  # noqa: BLE001 - the engine raises what it likes
            code = re.search(r"Code: (\d+)", str(error))
            code = int(code[1]) if code else 1002
            self.reply(STATUS.get(code, 500), str(error).encode(), {"X-ClickHouse-Exception-Code": str(code)})

    def reply(self, status, answer, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
print(f"ready {server.server_port}", flush=True)
server.serve_forever()
