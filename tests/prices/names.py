"""Compares how names find their entries here and in litellm, over the whole bundled map.

    pip install litellm==<the version in cost-map/prices.meta.json>
    python tests/prices/names.py

Every name of the map is written as callers and providers write it: with and without its provider,
in front or beside, in capitals, with a date, as a fine-tuned model, with regions and revisions.
Both must find entries with the same prices, or the difference must be one of DIFFERENCES. Exits
with 1 if one is not, and prints it.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
from importlib.metadata import version

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
from litellm import utils  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAP = json.loads((ROOT / "cost-map/prices.json").read_text())
DATE, COMPACT = "-2031-02-03", "-20310203"


def family(provider):
    """The name of a provider as callers say it."""
    for name in ("vertex_ai", "fireworks_ai"):
        if provider.startswith(name):
            return name
    return {"bedrock_converse": "bedrock"}.get(provider, provider)


def spellings():
    """Triples of what was done, provider and name."""
    for name, entry in MAP.items():
        provider = family(entry.get("litellm_provider") or "")
        if not provider or provider == "huggingface":
            continue
        bare = name.removeprefix(provider + "/")
        yield "alone", None, name
        yield "beside", provider, name
        yield "bare", provider, bare
        yield "in front", None, f"{provider}/{bare}"
        yield "both", provider, f"{provider}/{bare}"
        yield "capitals", provider, bare.upper()
        yield "small", provider, name.lower()
        yield "dated", provider, bare + DATE
        yield "compact", provider, bare + COMPACT
        if provider == "openai":
            yield "tuned", provider, f"ft:{bare.removeprefix('ft:')}:acme:name:id1"
            yield "tuned empty", None, f"ft:{bare.removeprefix('ft:')}:acme::id1"
            yield "azure_ai", "azure_ai", bare
        if provider == "azure":
            yield "azure_ai", "azure_ai", bare
            for zone in ("eu", "us", "global", "global-standard"):
                yield zone, provider, f"{zone}/{bare}"
        if provider == "bedrock" and "/" not in bare:
            for front in ("converse/", "invoke/", "us-east-1/", "us.", "eu.", "global."):
                yield front, provider, front + bare
            yield "throughput", provider, bare + ":28k"
            arn = "arn:aws:bedrock:us-west-2::foundation-model/"
            yield "arn", provider, arn + bare
            yield "arn profile", provider, "arn:aws:bedrock:eu-west-1:1:inference-profile/eu." + bare
        if provider == "bedrock_mantle" and "/" not in bare:
            yield "mantle region", provider, "us-east-1/" + bare
            yield "mantle route", "bedrock", "mantle/" + bare
        if provider in ("vertex_ai", "gemini"):
            yield "revision", provider, bare + "-002"
            yield "latest", provider, bare + "@latest"
        if provider == "fireworks_ai" and "/" in bare:
            yield "last", provider, bare.rsplit("/", 1)[1]


def theirs(provider, name):
    """The entry that litellm finds, without asking any server."""
    try:
        info = utils._get_model_info_helper(name, provider, catalog_only=True)
    except Exception:  # litellm raises several kinds for a name that it does not know
        return None
    return info["key"] if info["key"] in MAP else None


def prices(name):
    """What of an entry decides a price."""
    mark = ("cost", "price", "pricing", "multiplier", "provider_specific", "billing_unit")
    return {key: value for key, value in MAP[name].items() if any(part in key for part in mark)}


def ours(asked):
    """The entries that are found here, with how, in the order of the questions."""
    lines = "\n".join(f"{provider or ''}\t{name}" for _, provider, name in asked) + "\n"
    command = ["cargo", "run", "--release", "-q", "-p", "cost-map", "--example", "names"]
    out = subprocess.run(command, input=lines, cwd=ROOT, text=True, capture_output=True, check=True)
    return [tuple(line.split("\t")) for line in out.stdout.split("\n")[:-1]]


def stripped(done, how):
    """Whether ours was found because of what was put on the name."""
    return {
        "compact": "without date of snapshot",
        "dated": "without date of snapshot",
        "latest": "without revision",
        "throughput": "without route or region",
        "global": "without route or region",
        "global-standard": "without route or region",
        "mantle route": "without route or region",
    }.get(done) == how


# Each is a reason and the cases that it explains: what was done, the provider, the name, their
# entry, ours, and how ours was found. The first that holds counts.
DIFFERENCES = [
    (
        "litellm finds none: it takes no -YYYYMMDD off a name",
        lambda done, _provider, _name, theirs, _ours, how: not theirs
        and done == "compact"
        and stripped(done, how),
    ),
    (
        "litellm finds none: it takes no date off names of Bedrock, Vertex AI, Gemini, Databricks "
        "or fine-tuned models",
        lambda done, provider, name, theirs, _ours, how: not theirs
        and done == "dated"
        and stripped(done, how)
        and (provider in ("bedrock", "vertex_ai", "gemini", "databricks") or "ft:" in name),
    ),
    (
        "litellm finds none: it knows no revision @latest, throughput behind a name without "
        "version, worldwide deployment of Azure, or route to Bedrock Mantle",
        lambda done, _provider, _name, theirs, _ours, how: not theirs
        and done != "compact"
        and stripped(done, how),
    ),
    (
        "litellm finds none: by the name alone it takes the model for another provider's",
        lambda done, provider, name, theirs, ours, how: not theirs
        and provider is None
        and (ours == name or name.endswith("/" + ours)),
    ),
    (
        "litellm finds none: a model of Azure is Azure AI's too",
        lambda done, provider, _name, theirs, ours, _how: not theirs
        and provider == "azure_ai"
        and (done == "azure_ai" and ours.startswith("azure/") or "global" in _name),
    ),
    (
        "litellm finds none: a router of Fireworks by its last segment",
        lambda _done, provider, _name, theirs, ours, how: not theirs
        and provider == "fireworks_ai"
        and how == "by path"
        and "/routers/" in ours,
    ),
    (
        "litellm takes the geography off with the throughput, and its price with it",
        lambda done, provider, _name, theirs, ours, _how: done == "throughput"
        and provider == "bedrock"
        and ours.endswith("." + theirs),
    ),
    (
        "litellm takes the region off with the date, and its price with it",
        lambda done, provider, _name, theirs, ours, _how: done == "dated"
        and provider == "bedrock_mantle"
        and ours.split("/")[-1] == theirs.split("/")[-1],
    ),
    (
        "litellm does not see the region in an ARN",
        lambda done, provider, _name, theirs, ours, how: done.startswith("arn")
        and how == "in its region"
        and ours.split("/")[-1] == theirs.split("/")[-1].removeprefix("eu."),
    ),
    (
        "litellm has another price with a route in front than without; here the route is nothing",
        lambda done, _provider, _name, theirs, ours, _how: done in ("converse/", "invoke/")
        and ours == "bedrock/" + theirs,
    ),
    (
        "litellm takes OpenAI's entry without the date for Azure AI, not Azure's with it",
        lambda done, _provider, name, _theirs, ours, _how: done == "azure_ai"
        and ours == "azure/" + name,
    ),
]


def main():
    asked = list(dict.fromkeys(spellings()))
    answers = ours(asked)
    assert len(answers) == len(asked)
    counts, unexplained = collections.Counter(), []
    for (done, provider, name), (found, how) in zip(asked, answers):
        expected = theirs(provider, name)
        if (expected or "") == found:
            counts["same entry"] += 1
        elif expected and found and prices(expected) == prices(found):
            counts["other entry, same prices"] += 1
        else:
            case = (done, provider, name, expected, found, how)
            reason = next((why for why, holds in DIFFERENCES if holds(*case)), None)
            counts[reason or "UNEXPLAINED"] += 1
            if reason is None:
                unexplained.append(case)
    print(f"{len(asked)} spellings of {len(MAP)} names, litellm {version('litellm')}")
    for reason, count in counts.most_common():
        print(f"{count:7}  {reason}")
    for case in unexplained:
        print(case)
    sys.exit(bool(unexplained))


main()
