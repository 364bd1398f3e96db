"""What litellm bills where it departs from the rules, one function for each entry of differences.json.

A function gets the case and the calculator's bill and returns litellm's bill, or None where its reason does not hold. It changes
only the lines that its rule is about, so whatever else is different stays visible.
"""

import json
import pathlib
import re
from dataclasses import dataclass, replace
from decimal import Decimal

import peer

HALF = Decimal("-0.5")
SUFFIX = re.compile(r"_(flex|balanced|priority|ultrafast)$")
THRESHOLD = re.compile(r"_above_\d+k_tokens")
FUNCTIONS = {}


@dataclass(frozen=True)
class Line:
    """One line of a bill. An adjustment applies to the line before it (`of` is `line`) or to all lines before it (`sum`)."""

    key: str
    quantity: Decimal
    unit_price: Decimal
    of: str = ""


def read(items):
    """The lines of an answer, with what each adjustment applies to."""
    lines, amount, total = [], None, Decimal(0)
    for item in items:
        line = Line(item["key"], Decimal(item["quantity"]), Decimal(item["unit_price"]))
        if "multiplier" in line.key or line.key.startswith("provider_specific_entry."):
            line = replace(line, of="sum")
        elif is_adjustment(line, amount):
            line = replace(line, of="line")
        lines.append(line)
        amount = line.quantity * line.unit_price
        total += amount
    return lines


def is_adjustment(line, amount):
    marked = line.key == "batches" or line.key.startswith("default.fireworks_ai") or SUFFIX.search(line.key)
    return bool(marked) and line.quantity == amount


def total(lines):
    """USD, with every adjustment applied to what the lines are now."""
    amount, sum_so_far = Decimal(0), Decimal(0)
    for line in lines:
        quantity = {"": line.quantity, "line": amount, "sum": sum_so_far}[line.of]
        amount = quantity * line.unit_price
        sum_so_far += amount
    return sum_so_far


def explains(function):
    """Registers a function under its name, with dashes."""
    FUNCTIONS[function.__name__.replace("_", "-")] = function
    return function


def adjusted(lines):
    """Each line that is no adjustment of a line, with the adjustments that follow it."""
    groups = []
    for line in lines:
        if line.of == "line" and groups:
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def each(lines, change):
    """Lets `change` replace groups (a line and its adjustments); None if it replaced none."""
    result, changed = [], False
    for group in adjusted(lines):
        new = change(group)
        changed = changed or new is not None
        result += group if new is None else new
    return result if changed else None


def price(case, *keys):
    """The first of the keys that the entry has, as a price."""
    return next((Decimal(case.entry[key]) for key in keys if case.entry.get(key) is not None), None)


def in_batch(case):
    return case.ask.get("call_type") == "aretrieve_batch"


def details(case, name="prompt_tokens_details"):
    return case.line.get("usage", {}).get(name, {})


def at(line, unit_price):
    return replace(line, unit_price=unit_price)


# Classes of tokens.


@explains
def shortfall_unbilled(case, lines):
    said = details(case).get("text_tokens")
    if said is None or case.ask["function"] not in ("tokens", "completion"):
        return None
    parts = details(case)
    claimed = [parts.get(f"{kind}_tokens", 0) for kind in ("cached", "cache_write", "audio", "image", "video")]
    text = case.line["usage"]["prompt_tokens"] - sum(claimed)
    left = [True]

    def change(group):
        line = group[0]
        if left and base(line).startswith("input_cost_per_token") and line.quantity == text and text > said:
            left.clear()
            return [replace(line, quantity=Decimal(said)), *group[1:]]
        return None

    return None if "cached_tokens_details" in parts else each(lines, change)


# Which price.


@explains
def long_tier_at_standard(case, lines):
    def change(group):
        marks = [line for line in group[1:] if SUFFIX.search(line.key)]
        return [group[0]] if marks and THRESHOLD.search(group[0].key) else None

    return each(lines, change)


@explains
def cached_image_as_text(case, lines):
    def change(group):
        if group[0].key != "cache_read_input_image_token_cost":
            return None
        return [at(group[0], price(case, "cache_read_input_token_cost", "input_cost_per_token"))]

    return each(lines, change)


@explains
def cached_audio_as_text(case, lines):
    if case.entry.get("cache_read_input_token_cost") is not None:
        return None
    cached = details(case).get("cached_tokens_details", {}).get("audio_tokens", 0)

    def change(group):
        line = group[0]
        audio = line.key.startswith("input_cost_per_audio_token") and line.quantity == cached
        return [at(line, price(case, "input_cost_per_token"))] if audio else None

    return each(lines, change) if cached else None


@explains
def provider_without_tiers(case, lines):
    if case.provider not in ("fireworks_ai", "xai", "perplexity", "deepseek", "tencent"):
        return None

    def change(group):
        line = group[0]
        standard = SUFFIX.sub("", line.key)
        if standard == line.key:
            return None
        return [replace(line, key=standard, unit_price=price(case, standard) or Decimal(0))]

    return each(lines, change)


@explains
def fireworks_cache_default(case, lines):
    """litellm's default of half the input price holds outside batches, for entries of `fireworks_ai` itself, for every cached token."""
    if case.provider != "fireworks_ai":
        return None
    if in_batch(case) or case.entry["litellm_provider"] != "fireworks_ai":
        return each(lines, lambda group: dropped(group, "default.fireworks_ai"))
    kinds = details(case).get("cached_tokens_details", {})
    counts = [kinds[kind] for kind in ("audio_tokens", "image_tokens") if kinds.get(kind)]

    def change(group):
        line = group[0]
        if len(group) == 1 and line.key.startswith("input_cost_per_token") and line.quantity in counts:
            counts.remove(line.quantity)
            return [line, Line("default.fireworks_ai.cache_read", Decimal(0), HALF, "line")]
        return None

    return each(lines, change)


def base(line):
    """The key without the bracket or block that it was read in."""
    return line.key.rsplit("].", 1)[-1].removeprefix("off_peak_pricing.")


def dropped(group, start):
    kept = [line for line in group if not line.key.startswith(start)]
    return kept if len(kept) < len(group) else None


@explains
def perplexity_caches_and_lengths_ignored(case, lines):
    if case.provider != "perplexity":
        return None
    usage = case.line["usage"]
    reasoning = usage.get("completion_tokens_details", {}).get("reasoning_tokens", 0)
    apart = price(case, "output_cost_per_reasoning_token")
    apart = reasoning if apart is not None else 0
    others = [line for line in lines if "_token" not in line.key and line.key != "batches"]
    prompt, output = price(case, "input_cost_per_token"), price(case, "output_cost_per_token")
    if prompt is None or output is None or in_batch(case):
        return None
    return [
        Line("input_cost_per_token", Decimal(usage["prompt_tokens"]), prompt),
        Line("output_cost_per_token", Decimal(usage["completion_tokens"] - apart), output),
        Line("output_cost_per_reasoning_token", Decimal(apart), price(case, "output_cost_per_reasoning_token") or Decimal(0)),
        *others,
    ]


# Batches.


@explains
def long_batch_at_short_price(case, lines):
    """No threshold counts in a batch that has no batch price above it."""

    def change(group):
        line = group[0]
        if not in_batch(case) or not THRESHOLD.search(line.key) or line.key.endswith("_batches"):
            return None
        base = THRESHOLD.sub("", line.key)
        if price(case, base + "_batches") is not None:
            return [at(line, price(case, base + "_batches"))]
        return None if price(case, base) is None else [at(line, price(case, base)), *group[1:]]

    return each(lines, change)


@explains
def batch_cache_read_free(case, lines):
    """Cached tokens cost nothing in a batch where the entry has neither a batch price nor a price for cache reads."""
    if not in_batch(case) or price(case, "cache_read_input_token_cost") is not None:
        return None
    if price(case, "input_cost_per_token_batches") is not None or price(case, "input_cost_per_token") is None:
        return None
    cached = details(case).get("cached_tokens", 0)
    lost = Decimal(cached) * price(case, "input_cost_per_token") / 2
    return [*lines, Line("cached tokens", Decimal(-1), lost)] if cached else None


@explains
def batch_modalities_as_text(case, lines):
    """Without a batch price every input token that is not cached is text, and every output token but images."""
    if not in_batch(case) or price(case, "input_cost_per_token_batches") is not None:
        return None

    def change(group):
        line = group[0]
        side = re.match(r"(input|output)_cost_per_(audio|image|video|reasoning)_token", line.key)
        cached = re.match(r"cache_read_input_(audio|image)_token_cost", line.key)
        if line.key.startswith("output_cost_per_image_token") or not (side or cached):
            return None
        base = "cache_read_input_token_cost" if cached else f"{side[1]}_cost_per_token"
        return [at(line, price(case, base) or Decimal(0)), *group[1:]]

    return each(lines, change)


@explains
def batch_write_lives_ignored(case, lines):
    """Without a batch price every cache write costs what a five-minute write costs, at half."""
    if not in_batch(case):
        return None

    def change(group):
        line = group[0]
        if not re.match(r"cache_creation_input_token_cost_above_1\d?hr", line.key):
            return None
        if price(case, "input_cost_per_token_batches") is None:
            return [at(line, price(case, "cache_creation_input_token_cost", "input_cost_per_token")), *group[1:]]
        short = re.sub(r"_above_1\d?hr", "", line.key)
        keys = (short, THRESHOLD.sub("", short), "input_cost_per_token")
        return [at(line, price(case, *(f"{key}_batches" for key in keys)))]

    return each(lines, change)


@explains
def batch_multipliers_ignored(case, lines):
    if not in_batch(case):
        return None
    kept = [line for line in lines if not line.key.startswith("provider_specific_entry.")]
    return kept if len(kept) < len(lines) else None


@explains
def batch_of_seconds_free(case, lines):
    seconds = [line for line in lines if line.key.endswith("cost_per_second")]
    return [line for line in lines if line not in seconds] if in_batch(case) and seconds else None


@explains
def batch_brackets_ignored(case, lines):
    """A batch of an entry with brackets costs half its flat prices; those it does not have are 0."""

    def change(group):
        line = group[0]
        if not line.key.startswith("tiered_pricing["):
            return None
        base = line.key.split(".", 1)[1]
        flat = price(case, base, "input_cost_per_token" if base.startswith("cache_creation") else base)
        return [replace(line, key=base, unit_price=flat or Decimal(0)), *group[1:]]

    return each(lines, change) if in_batch(case) else None


@explains
def batch_name_unmapped(case, lines):
    """litellm's batch calculator bills 0 for a name that its look-up does not find."""
    return [] if in_batch(case) and peer.unmapped(case) else None


@explains
def long_write_tier_at_short_length(case, lines):
    """At a tier without own prices for writes of one or twelve hours, their thresholds do not count."""
    if case.line.get("service_tier") not in ("flex", "balanced", "priority", "ultrafast", "fast"):
        return None

    def change(group):
        line = group[0]
        base = THRESHOLD.sub("", line.key)
        if base == line.key or not re.search(r"_above_1\d?hr", base) or SUFFIX.search(base):
            return None
        return [at(line, price(case, base))]

    return each(lines, change)


# Units and tools.


@explains
def rerank_by_token_free(case, lines):
    """Only Jina's and Voyage's rerank is billed by tokens."""
    kept = [line for line in lines if not line.key.startswith(("input_cost_per_token", "output_cost_per_token"))]
    return kept if case.mode == "rerank" and len(kept) < len(lines) else None


@explains
def rerank_without_units_free(case, lines):
    return [] if case.mode == "rerank" and "search_units" not in case.line else None


@explains
def parallel_search_by_mode(case, lines):
    """litellm charges Parallel's searches once, by the mode in the request's options, which has no field here."""
    if case.provider != "parallel_ai":
        return None
    return [replace(line, quantity=Decimal(1), unit_price=Decimal("0.005")) for line in lines]


@explains
def fal_nearest_size(case, lines):
    """Where fal.ai has prices by quality and size, litellm takes quality `high` and size 1024x768 if none is asked for, and the
    size of the closest number of pixels if there is no price for the one that is."""
    if case.provider != "fal_ai" or case.mode != "image_generation":
        return None
    model = case.line["model"].removeprefix("fal_ai/")
    named = re.compile(rf"fal_ai/{case.line.get('quality', 'high')}/(\d+)-x-(\d+)/{re.escape(model)}")
    rows = {name: named.fullmatch(name) for name in peer.names()}
    rows = {int(hit[1]) * int(hit[2]): name for name, hit in sorted(rows.items()) if hit}
    if not rows:
        return None
    width, height = case.line.get("size", "1024x768").split("x")
    wanted = int(width) * int(height)
    nearest = min(rows, key=lambda pixels: (abs(pixels - wanted), pixels))
    return [at(line, Decimal(str(peer.entry(rows[nearest])["output_cost_per_image"]))) for line in lines]


@explains
def clip_in_chat_free(case, lines):
    """Music models whose token prices are 0 are free for litellm in a chat; a clip has a price."""
    free = not price(case, "input_cost_per_token") and not price(case, "output_cost_per_token")
    kept = [line for line in lines if line.key != "output_cost_per_image"]
    return kept if free and case.mode == "chat" and len(kept) < len(lines) else None


@explains
def image_without_usage_free(case, lines):
    """The images of OpenAI's token-priced models are free where no usage was reported."""
    flat = case.mode == "image_generation" and "usage" not in case.line and "gpt-image" in case.name
    return [] if flat and case.provider in ("openai", "azure") else None


@explains
def free_token_prices_win(case, lines):
    """An image model whose token prices are 0 is free once tokens were reported, whatever an image costs."""
    keys = ("output_cost_per_token", "input_cost_per_token")
    if case.mode != "image_generation" or "usage" not in case.line or any(price(case, key) for key in keys):
        return None
    return [line for line in lines if not line.key.startswith("output_cost_per_image")]


@explains
def request_fee_unbilled(case, lines):
    kept = [line for line in lines if line.key != "input_cost_per_request"]
    return kept if len(kept) < len(lines) else None


def check():
    """Every difference is checked in, and every one that is checked in can be found."""
    path = pathlib.Path(__file__).resolve().parent / "differences.json"
    known = {row["id"] for row in json.loads(path.read_text(encoding="utf-8"))}
    found = set(FUNCTIONS) | OF_STATUS
    if known != found:
        raise SystemExit(f"differences.json and explanations.py differ: {sorted(known ^ found)}")


# Differences between a price and none: found by `of_unpriced`, `of_error` and differential.py itself.
OF_STATUS = {
    "no-price-is-free",
    "unknown-duration-free",
    "router-fee-alone",
    "bedrock-image-names",
    "image-provider-without-tokens",
}
UNIT_MODES = {"audio_speech", "image_edit", "ocr", "rerank", "search", "video_generation"}


def of_unpriced(case, theirs):
    """A call that has no price by the rules and costs something, or nothing, for litellm."""
    if case.mode == "video_generation" and "duration_seconds" not in case.line and theirs == 0:
        return ("unknown-duration-free",)
    if case.mode in ("image_generation", "audio_transcription") and "usage" not in case.line and theirs == 0:
        return ("no-price-is-free",)
    if "model_router" in case.name or "model-router" in case.name:
        # litellm's usual ways with what is short, and with cached tokens in a batch.
        usage = case.line["usage"]
        parts = details(case)
        tokens = Decimal(usage["prompt_tokens"])
        if in_batch(case):
            tokens = (tokens - parts.get("cached_tokens", 0)) / 2
        elif "text_tokens" in parts and "cached_tokens_details" not in parts:
            kinds = ("text", "cached", "cache_write", "audio", "image", "video")
            tokens = min(tokens, Decimal(sum(parts.get(f"{kind}_tokens", 0) for kind in kinds)))
        fee = Decimal("0.00000014") * tokens
        return ("router-fee-alone",) if abs(fee - theirs) <= Decimal("1e-12") * fee else None
    return None


def of_error(case, error):
    """A call that is priced by the rules and for which litellm raised."""
    if case.mode in ("image_edit", "image_generation") and case.provider == "bedrock" and "mapped" in str(error):
        return ("bedrock-image-names",)
    if case.mode == "image_generation" and "No pricing information found" in str(error):
        return ("image-provider-without-tokens",)
    return None
