"""Asks litellm itself what it sends and returns for every recorded case, and writes that into the case.

  record.py [PROVIDER[/CASE] …]        all cases without arguments
  record.py --check                    changes nothing; fails if a case would change

A case is a JSON file in `cases/PROVIDER`. By hand: `says`, `docs`, `endpoint`, `params` (the deployment),
`request` (the client's), `answers` (the provider's, in its own wire format), `counted` (the provider never
says what was consumed), `ours` (where Tollkeeper differs from litellm on purpose, and why). By this program:
`litellm`, with `sent`, `got` or `error`, and `usage`.
"""

import asyncio
import base64
import collections
import json
import os
import pathlib
import re
import struct
import sys
import threading
import urllib.parse
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CASES = pathlib.Path(__file__).resolve().parent / "cases"
# Headers that providers act on; `recorded/sent.rs` has the same list.
HEADERS = {
    "authorization", "api-key", "x-api-key", "x-goog-api-key", "anthropic-version", "anthropic-beta",
    "x-snowflake-authorization-token-type", "openai-organization", "x-amz-security-token",
}
# What litellm asks on the side, and a gateway need not.
ASIDE = ("/api/show",)


class Provider:
    """Answers in the place of every provider, one case at a time, and keeps what it was sent."""

    def __init__(self):
        self.answers, self.sent = [], []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                length = int(self.headers.get("content-length") or 0)
                provider.answer(self, self.rfile.read(length))

            do_GET = do_POST

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler, body):
        path, _, query = handler.path.partition("?")
        answer = {"body": {}}
        if path not in ASIDE:
            at = len(self.sent)
            self.sent.append(request(handler, path, query, body))
            answer = self.answers[min(at, len(self.answers) - 1)]
        body = bytes_of(json.loads(json.dumps(answer).replace("{{base}}", self.base)))
        handler.send_response(answer.get("status", 200))
        kind = "text/event-stream" if "stream" in answer else "application/json"
        if "events" in answer:
            kind = "application/vnd.amazon.eventstream"
        headers = {"content-type": kind} | answer.get("headers", {})
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def request(handler, path, query, body):
    headers = {k.lower(): v for k, v in handler.headers.items() if k.lower() in HEADERS}
    signed = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d+/([^/]+)/([^/]+)/", headers.get("authorization", ""))
    if signed:
        headers["authorization"] = "AWS4-HMAC-SHA256 " + "/".join(signed.groups())
    try:
        body = json.loads(body) if body else None
    except ValueError:
        body = dict(urllib.parse.parse_qsl(body.decode()))
    return {
        "method": handler.command,
        "path": urllib.parse.unquote(path),
        "query": sorted(query.split("&")) if query else [],
        "headers": dict(sorted(headers.items())),
        "body": body,
    }


def bytes_of(answer):
    """The body of an answer as it stands on the wire."""
    if "events" in answer:
        return b"".join(message(kind, payload) for kind, payload in answer["events"])
    if "stream" in answer:
        return "".join(answer["stream"]).encode()
    if "text" in answer:
        return answer["text"].encode()
    return json.dumps(answer["body"], ensure_ascii=False).encode()


def message(kind, payload):
    """One message of AWS's event stream. A kind that ends in `Exception` is one; a payload that has to
    be hidden in `bytes`, as models' own streams are, stands as `{"chunk": …}`."""
    if set(payload) == {"chunk"}:
        payload = {"bytes": base64.b64encode(json.dumps(payload["chunk"]).encode()).decode()}
    fault = kind.endswith("Exception")
    said = [(":exception-type" if fault else ":event-type", kind), (":content-type", "application/json"),
            (":message-type", "exception" if fault else "event")]
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in said
    )
    payload = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    whole = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return whole + struct.pack("!I", zlib.crc32(whole))


def usage(said):
    """The counts that a bill is made of, under one name each; what is 0 is left out."""
    if not said:
        return None
    read = said.get("prompt_tokens_details") or {}
    written = said.get("completion_tokens_details") or {}
    counts = {
        "prompt": said.get("prompt_tokens"),
        "completion": said.get("completion_tokens"),
        "cached": read.get("cached_tokens") or said.get("cache_read_input_tokens"),
        "cache_write": said.get("cache_creation_input_tokens") or read.get("cache_creation_tokens"),
        "reasoning": written.get("reasoning_tokens"),
        "audio": read.get("audio_tokens"),
        "image": read.get("image_tokens"),
    }
    return {name: count for name, count in counts.items() if count}


KEPT = ("content", "reasoning_content", "refusal", "tool_calls", "thinking_blocks", "annotations", "audio", "images")


def message_of(message):
    kept = {name: message[name] for name in KEPT if message.get(name)}
    for call in kept.get("tool_calls", []):
        call.pop("index", None)
        call.pop("caller", None)
        # There is no other type; some providers leave it out.
        call["type"] = call.get("type") or "function"
    for block in kept.get("thinking_blocks", []):
        for name in [name for name, value in block.items() if value in (None, "")]:
            block.pop(name)
    return kept


def whole(answer):
    """What the client must get of an answer, without what is made anew each time."""
    if "choices" in answer:
        choices = [
            {"finish_reason": c["finish_reason"], "message": message_of(c["message"])}
            | ({"logprobs": c["logprobs"]} if c.get("logprobs") else {})
            for c in answer["choices"]
        ]
        return {"choices": choices} | {n: answer[n] for n in ("citations",) if answer.get(n)}
    if "results" in answer:
        return {"results": [{k: v for k, v in result.items() if v is not None} for result in answer["results"]]}
    return {"data": [{"index": item["index"], "embedding": item["embedding"]} for item in answer["data"]]}


def assembled(chunks):
    """A stream put together again, as a client does."""
    choices = collections.defaultdict(lambda: {"finish_reason": None, "message": {}, "calls": {}})
    for chunk in chunks:
        for said in chunk.get("choices") or []:
            choice, delta = choices[said["index"]], said.get("delta") or {}
            message = choice["message"]
            for name in ("content", "reasoning_content", "refusal"):
                message[name] = message.get(name, "") + (delta.get(name) or "")
            for name in ("thinking_blocks", "annotations", "images"):
                message[name] = message.get(name, []) + (delta.get(name) or [])
            for call in delta.get("tool_calls") or []:
                add(choice["calls"].setdefault(call["index"], {}), call)
            choice["finish_reason"] = said.get("finish_reason") or choice["finish_reason"]
    for choice in choices.values():
        message = choice["message"]
        message["tool_calls"] = list(choice.pop("calls").values())
        message["thinking_blocks"] = joined(message["thinking_blocks"])
    return {"choices": [{"finish_reason": c["finish_reason"], "message": message_of(c["message"])} for c in choices.values()]}


def add(call, delta):
    function = call.setdefault("function", {"name": "", "arguments": ""})
    for name in ("id", "type"):
        if delta.get(name):
            call[name] = delta[name]
    for name in ("name", "arguments"):
        function[name] += (delta.get("function") or {}).get(name) or ""


def joined(blocks):
    """Thinking comes in pieces; its signature comes last and ends it."""
    out = []
    for block in blocks:
        last = out[-1] if out else None
        if last and last["type"] == block.get("type") == "thinking" and not last.get("signature"):
            last["thinking"] = (last.get("thinking") or "") + (block.get("thinking") or "")
            last["signature"] = block.get("signature")
        else:
            out.append(dict(block))
    return out


async def ask(litellm, provider, case):
    """What litellm sends and returns, asked as its proxy asks it."""
    params = json.loads(json.dumps(case["params"]).replace("{{base}}", provider.base))
    body = json.loads(json.dumps(case["request"]))
    provider.answers, provider.sent = case["answers"], []
    function = {"chat/completions": litellm.acompletion, "embeddings": litellm.aembedding, "rerank": litellm.arerank}
    try:
        answer = await function[case["endpoint"]](**(body | params), timeout=20)
        if body.get("stream"):
            chunks = [chunk.model_dump() async for chunk in answer]
            got, used = assembled(chunks), [c["usage"] for c in chunks if c.get("usage")]
            used = used[-1] if used else None
        else:
            answer = answer.model_dump()
            meta = answer.get("meta") or {}
            read = (meta.get("tokens") or {}).get("input_tokens") or (meta.get("billed_units") or {}).get("total_tokens")
            got, used = whole(answer), answer.get("usage") or read and {"prompt_tokens": read}
        result = {"got": got, "usage": None if case.get("counted") else usage(used)}
    except Exception as error:  # Whatever class it has, that is what is recorded.
        while getattr(error, "original_exception", None):
            error = error.original_exception
        result = {"error": {"class": type(error).__name__, "status": getattr(error, "status_code", None)}}
    made_here(result, json.dumps(case["answers"], ensure_ascii=False))
    sent = []
    for asked in provider.sent:
        # Its OpenAI client tries again by itself.
        if asked not in sent:
            sent.append(asked)
    return json.loads(json.dumps({"sent": sent} | result).replace(provider.base, "{{base}}"))


def made_here(result, answers):
    """Leaves out what litellm makes up: ids that are new each time, and reasoning that it counts itself."""
    if not re.search(f':\\s*{(result.get("usage") or {}).get("reasoning")}\\b', answers):
        (result.get("usage") or {}).pop("reasoning", None)
    for choice in result.get("got", {}).get("choices", []):
        for call in choice["message"].get("tool_calls", []):
            if call.get("id", "") not in answers:
                del call["id"]
        for block in choice["message"].get("thinking_blocks", []):
            block.pop("index", None)


def patch(litellm):
    """Tokens without a cloud, and an address of Replicate's."""
    from litellm.llms.vertex_ai.vertex_llm_base import VertexBase

    def token(_self, credentials=None, project_id=None, **_):
        return "token", project_id

    async def token_soon(self, *arguments, **named):
        return token(self, *arguments, **named)

    VertexBase._ensure_access_token = VertexBase.get_access_token = token
    VertexBase._ensure_access_token_async = token_soon
    from litellm.llms.replicate.chat.transformation import ReplicateConfig

    own = ReplicateConfig.get_complete_url

    def below(self, api_base, *arguments, **named):
        return own(self, api_base, *arguments, **named).replace("https://api.replicate.com/v1", api_base)

    ReplicateConfig.get_complete_url = below
    litellm.suppress_debug_info = True
    litellm.drop_params = False
    litellm.num_retries = 0


async def main():
    os.environ.update(NO_PROXY="127.0.0.1", LITELLM_LOCAL_MODEL_COST_MAP="True", DEFAULT_MAX_RETRIES="0",
                      AWS_EC2_METADATA_DISABLED="true", HF_HUB_OFFLINE="1", LITELLM_LOG="ERROR")
    import litellm

    patch(litellm)
    provider, arguments, stale = Provider(), sys.argv[1:], []
    check = "--check" in arguments
    wanted = [argument for argument in arguments if argument != "--check"]
    for file in sorted(CASES.glob("*/*.json")):
        name = f"{file.parent.name}/{file.stem}"
        if wanted and not any(name == want or name.startswith(want + "/") for want in wanted):
            continue
        case = json.loads(file.read_text())
        recorded = await ask(litellm, provider, case)
        if recorded == case.get("litellm"):
            continue
        stale.append(name)
        if not check:
            file.write_text(json.dumps(case | {"litellm": recorded}, indent=1, ensure_ascii=False) + "\n")
    print("\n".join(stale) or "nothing changed")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
