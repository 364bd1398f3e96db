"""Random calls: for each the line of JSON that a calculator reads (cost-map/RULES.md, section 10), and how litellm is
asked for the same.

The parts of a usage sum to the whole here, as providers report them; what happens to parts that
do not is the oracle's to check (tests/oracle).
"""

import random
import re

TIERS = ["flex", "priority", "balanced", "ultrafast"]
# litellm takes the second prefix of these names for a repetition of the first, and prices another entry.
TWICE = re.compile(r"^(perplexity)/\1/")
# Providers that share their entries.
FAMILIES = ("vertex_ai", "fireworks_ai", "bedrock")
QUALITIES = ["hd", "standard", "low", "medium", "high"]
IMAGE_SIZES = ["1024x1024", "512x512", "1792x1024", "1024x1536", "256x256"]


def family(provider):
    """The provider as a caller names it."""
    return next((name for name in FAMILIES if provider.startswith(name)), provider)


class Case:
    """One call: its entry, its line, and the question to litellm (see peer.py)."""

    def __init__(self, name, entry, seed):
        self.name = name
        self.entry = entry
        self.random = random.Random(seed)
        self.provider = family(entry.get("litellm_provider", ""))
        self.mode = entry.get("mode", "none")
        self.line = {"model": name, "custom_llm_provider": self.provider}
        self.ask = {}
        kind = {
            "image_generation": self.image,
            "image_edit": self.image,
            "video_generation": self.video,
            "audio_speech": self.speech,
            "audio_transcription": self.transcription,
            "ocr": self.ocr,
            "rerank": self.rerank,
            "search": self.search,
        }.get(self.mode, self.tokens)
        kind()

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def has(self, *keys):
        return any(key in self.entry for key in keys)

    def size(self):
        """A count whose size is spread over the powers of ten."""
        return self.random.randrange(self.random.choice([10, 100, 1_000, 20_000, 150_000, 1_000_000]))

    def prompt(self):
        """A prompt at, around or far from what matters to this entry."""
        edges = [int(size) * 1000 for key in self.entry for size in re.findall(r"_above_(\d+)k_tokens", key)]
        for bracket in self.entry.get("tiered_pricing", []):
            edges += [int(edge) for edge in bracket.get("range", [0])[1:]]
        if not edges or self.chance(40):
            return self.size() + 1
        edge = self.random.choice(edges)
        return self.random.choice([edge - 1, edge, edge + 1, edge + self.size()])

    def usage(self, plain=False):
        """A usage object in OpenAI's shape whose parts sum to the whole."""
        prompt, completion = self.prompt(), self.size()
        left = prompt
        details, output = {}, {}

        def take(percent):
            nonlocal left
            count = self.random.randrange(left + 1) if self.chance(percent) else 0
            left -= count
            return count

        if not plain:
            cached = take(40)
            if cached:
                details["cached_tokens"] = cached
            written = take(40 if self.has("cache_creation_input_token_cost") else 6)
            if written:
                details["cache_write_tokens"] = written
                self.lives(details, written)
            for kind in ("audio", "image", "video"):
                priced = self.has(f"input_cost_per_{kind}_token", f"cache_read_input_{kind}_token_cost")
                count = take(40 if priced else 3)
                if count:
                    details[f"{kind}_tokens"] = count
            self.cached_kinds(details, cached)
            self.text(details, left)
            left = completion
            for kind in ("reasoning", "audio", "image", "video"):
                priced = self.has(f"output_cost_per_{kind}_token") or kind == "reasoning"
                count = take(40 if priced else 3)
                if count:
                    output[f"{kind}_tokens"] = count
            if output and self.chance(25) and left > 0:
                output["text_tokens"] = left
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        if details:
            usage["prompt_tokens_details"] = details
        if output:
            usage["completion_tokens_details"] = output
        return usage

    def text(self, details, left):
        """The text, with or without the cached text as providers have it, and sometimes less than there is."""
        if not left or not self.chance(25):
            return
        kinds = details.get("cached_tokens_details")
        if kinds:
            left += kinds["text_tokens"]
        elif self.chance(30):
            left += details.get("cached_tokens", 0) + details.get("cache_write_tokens", 0)
        elif self.chance(15):
            left = self.random.randrange(1, left + 1)
        details["text_tokens"] = left

    def lives(self, details, written):
        """How long cache writes live: two lives of one provider."""
        if not self.chance(50):
            return
        long = self.random.randrange(written + 1)
        short, longer = ("30m", "12h") if self.provider in ("openai", "azure") else ("5m", "1h")
        details["cache_creation_token_details"] = {
            f"ephemeral_{short}_input_tokens": written - long,
            f"ephemeral_{longer}_input_tokens": long,
        }

    def cached_kinds(self, details, cached):
        """What the cached tokens are; the modality's count includes its cached tokens."""
        priced = self.has("cache_read_input_audio_token_cost", "cache_read_input_image_token_cost")
        if not cached or not self.chance(40 if priced else 3):
            return
        audio = self.random.randrange(cached + 1)
        image = self.random.randrange(cached - audio + 1)
        kinds = {"text_tokens": cached - audio - image}
        for kind, count in (("audio", audio), ("image", image)):
            if count:
                kinds[f"{kind}_tokens"] = count
                details[f"{kind}_tokens"] = details.get(f"{kind}_tokens", 0) + count
        details["cached_tokens_details"] = kinds

    def tokens(self):
        call_type = {"embedding": "embedding", "responses": "responses", "completion": "text_completion"}
        self.ask = {"function": "tokens", "call_type": call_type.get(self.mode, "completion")}
        usage = self.usage(plain=self.mode in ("embedding", "moderation"))
        if self.mode == "embedding":
            usage["completion_tokens"] = 0
            usage["total_tokens"] = usage["prompt_tokens"]
        # litellm asks GitHub for a token before it prices a batch of Copilot.
        batch = self.chance(12) and self.mode in ("chat", "responses", "embedding")
        batch = batch and self.provider != "github_copilot"
        if batch:
            self.ask["call_type"] = "aretrieve_batch"
        if self.mode == "moderation":
            self.ask["call_type"] = "moderation"
        elif self.chance(35) and not batch:
            priced = [tier for tier in TIERS if self.has(f"input_cost_per_token_{tier}")]
            self.line["service_tier"] = self.random.choice(priced * 3 + TIERS + ["fast", "default"])
        self.places(usage)
        if self.has("off_peak_pricing"):
            hour, minute = self.random.randrange(24), self.random.choice(["00:00", "59:59"])
            self.line["at"] = f"2026-11-{self.random.randrange(1, 29):02}T{hour:02}:{minute}Z"
        if self.has("cost_per_second", "input_cost_per_second", "output_cost_per_second"):
            self.line["response_seconds"] = str(self.random.randrange(1, 100_000) / 1000)
        if self.provider in ("xai", "perplexity") and self.chance(10) and not batch:
            usage["cost"] = 0.0123
        if not batch:
            self.tools(usage)
        if batch or self.chance(50) or self.mode == "moderation":
            self.line["call_type"] = self.ask["call_type"]
        self.line["usage"] = usage

    def places(self, usage):
        if self.provider == "openai" and self.chance(20):
            self.line["data_residency"] = self.random.choice(["eu", "us"])
        if self.provider == "vertex_ai" and self.chance(30):
            self.line["vertex_location"] = self.random.choice(["global", "us-east5"])
        if self.provider == "anthropic":
            if self.chance(20):
                usage["speed"] = self.random.choice(["fast", "standard"])
            if self.chance(20):
                usage["inference_geo"] = self.random.choice(["us", "global", "not_available"])

    def tools(self, usage):
        searching = self.provider in ("anthropic", "gemini", "vertex_ai", "xai", "perplexity", "openai")
        if not (searching and self.has("search_context_cost_per_query") and self.chance(15)):
            return
        if self.mode not in ("chat", "responses"):
            return
        count = 1 if self.provider == "openai" else self.random.randrange(1, 5)
        usage.setdefault("prompt_tokens_details", {})["web_search_requests"] = count
        if self.provider == "anthropic" or "claude" in self.name:
            usage["server_tool_use"] = {"web_search_requests": count}
        self.ask["function"] = "completion"
        if self.provider == "openai":
            self.line["search_context_size"] = self.random.choice(["low", "medium", "high"])

    def image(self):
        count = self.random.randrange(1, 5)
        self.named_image()
        self.line |= {"images": count, "call_type": self.mode}
        self.ask = {"function": "image"}
        if self.has("input_cost_per_pixel", "output_cost_per_pixel") or self.chance(50):
            self.line.setdefault("size", self.random.choice(IMAGE_SIZES))
        if self.chance(40) and "size" not in self.line:
            self.line["quality"] = self.random.choice(QUALITIES)
        by_token = self.has("output_cost_per_image_token", "output_cost_per_token", "input_cost_per_image_token")
        by_usage = self.provider in ("openai", "azure", "gemini", "vertex_ai", "tencent")
        if by_token and by_usage and self.chance(80):
            usage = self.usage(plain=True)
            text = self.random.randrange(usage["prompt_tokens"] + 1)
            image = usage["prompt_tokens"] - text
            usage["prompt_tokens_details"] = {"text_tokens": text, "image_tokens": image}
            usage["completion_tokens_details"] = {"image_tokens": usage["completion_tokens"]}
            self.line["usage"] = usage

    def named_image(self):
        """An entry of one size and quality is asked for by its model, size and quality."""
        parts = self.name.split("/")
        at = next((n for n, part in enumerate(parts) if re.fullmatch(r"\d+-x-\d+", part)), None)
        if at is None:
            return
        self.line["size"] = parts.pop(at).replace("-x-", "x")
        for near in (at - 1, at):
            if 0 <= near < len(parts) - 1 and parts[near] in QUALITIES:
                self.line["quality"] = parts.pop(near)
                break
            if 0 <= near < len(parts) - 1 and parts[near].endswith("-steps"):
                steps = parts.pop(near)
                self.line["steps"] = 51 if steps.startswith("max") else 50
                break
        self.line["model"] = "/".join(parts)

    def video(self):
        self.line["call_type"] = "create_video"
        self.ask = {"function": "video"}
        if self.chance(95):
            self.line["duration_seconds"] = self.random.randrange(1, 120)
        if self.chance(60):
            self.line["resolution"] = self.random.choice(["480p", "720p", "1080p", "2k", "4k"])
        if self.chance(30):
            self.line["videos"] = self.random.randrange(1, 4)

    def speech(self):
        self.line["call_type"] = "speech"
        self.ask = {"function": "tokens", "call_type": "speech"}
        self.line["prompt_characters"] = self.size() + 1
        if not self.has("input_cost_per_character"):
            self.line["usage"] = self.usage(plain=True)

    def transcription(self):
        self.line["call_type"] = "transcription"
        self.ask = {"function": "tokens", "call_type": "transcription"}
        self.line["duration_seconds"] = str(self.random.randrange(1, 10_000_000) / 1000)
        if self.has("input_cost_per_token", "input_cost_per_audio_token") and self.chance(80):
            usage = self.usage(plain=True)
            audio = self.random.randrange(usage["prompt_tokens"] + 1)
            text = usage["prompt_tokens"] - audio
            usage["prompt_tokens_details"] = {"audio_tokens": audio, "text_tokens": text}
            self.line["usage"] = usage

    def ocr(self):
        self.line["call_type"] = "ocr"
        self.ask = {"function": "ocr"}
        self.line["pages"] = self.random.randrange(1, 500)
        if self.chance(40):
            self.line["annotated_pages"] = self.random.randrange(1, 500)
        if self.chance(30) or self.has("ocr_cost_per_credit"):
            self.line["credits"] = self.random.randrange(1, 500)

    def rerank(self):
        self.line["call_type"] = "rerank"
        self.ask = {"function": "rerank"}
        if self.chance(70):
            self.line["search_units"] = self.random.randrange(1, 20)
        tokens = self.size() + 1
        self.line["usage"] = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}

    def search(self):
        self.line["call_type"] = "search"
        self.ask = {"function": "search"}
        self.line["queries"] = self.random.randrange(1, 20)
        if self.has("tiered_pricing"):
            self.line["max_results"] = self.random.randrange(1, 110)
