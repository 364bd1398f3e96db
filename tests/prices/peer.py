"""Asks litellm, through its public cost functions, what a call costs, with the same price map."""

import logging
import os
from datetime import datetime

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm import completion_cost, cost_per_token
from litellm._internal_context import pinned_billing_time
from litellm.llms.base_llm.ocr.transformation import OCRResponse, OCRUsageInfo
from litellm.types.utils import (
    CompletionTokensDetailsWrapper,
    ImageResponse,
    ImageUsage,
    ImageUsageInputTokensDetails,
    ModelResponse,
    PromptTokensDetailsWrapper,
    Usage,
)
from litellm.types.videos.main import VideoObject

for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
    logging.getLogger(name).setLevel(logging.CRITICAL)
litellm.suppress_debug_info = True


def load(prices):
    """Gives litellm our map, entry by entry, so that both sides read the same figures."""
    if set(prices) - set(litellm.model_cost):
        raise SystemExit("the map has entries that litellm does not have: refresh prices.json, or pin its version")
    for name, entry in prices.items():
        litellm.model_cost[name] = entry


def cost(case):
    """USD as a float, or the exception that litellm raised."""
    at = case.line.get("at", "2026-11-18T02:00:00Z")
    try:
        with pinned_billing_time(datetime.fromisoformat(at)):
            return FUNCTIONS[case.ask["function"]](case)
    except Exception as error:  # whatever it raises is its answer
        return error


def usage_of(case):
    """The usage object as litellm's own types; absent details stay absent."""
    fields = dict(case.line.get("usage") or {"prompt_tokens": 0, "completion_tokens": 0})
    prompt = fields.pop("prompt_tokens_details", None)
    output = fields.pop("completion_tokens_details", None)
    if prompt is not None:
        fields["prompt_tokens_details"] = PromptTokensDetailsWrapper(**prompt)
    if output is not None:
        fields["completion_tokens_details"] = CompletionTokensDetailsWrapper(**output)
    return Usage(**fields)


def of_tokens(case):
    line = case.line
    usage = usage_of(case)
    return sum(
        cost_per_token(
            model=line["model"],
            custom_llm_provider=line["custom_llm_provider"],
            usage_object=usage,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            call_type=case.ask["call_type"],
            service_tier=line.get("service_tier"),
            data_residency=line.get("data_residency"),
            vertex_location=line.get("vertex_location"),
            prompt_characters=line.get("prompt_characters"),
            response_time_ms=float(line.get("response_seconds", 0)) * 1000,
            audio_transcription_file_duration=float(line.get("duration_seconds", 0)),
        )
    )


def of_completion(case):
    line = case.line
    response = ModelResponse(model=line["model"], usage=usage_of(case))
    options = {"web_search_options": {"search_context_size": line.get("search_context_size", "medium")}}
    return completion_cost(
        completion_response=response,
        model=line["model"],
        custom_llm_provider=line["custom_llm_provider"],
        call_type="completion",
        service_tier=line.get("service_tier"),
        data_residency=line.get("data_residency"),
        vertex_location=line.get("vertex_location"),
        total_time=float(line.get("response_seconds", 0)) * 1000,
        standard_built_in_tools_params=options,
    )


def of_image(case):
    line = case.line
    response = ImageResponse(created=1, data=[{"url": "https://example.com/1.png"}] * line["images"])
    response.usage = None
    if "usage" in line:
        details = line["usage"]["prompt_tokens_details"]
        response.usage = ImageUsage(
            input_tokens=line["usage"]["prompt_tokens"],
            output_tokens=line["usage"]["completion_tokens"],
            total_tokens=line["usage"]["total_tokens"],
            input_tokens_details=ImageUsageInputTokensDetails(**details),
        )
    response.size = line.get("size")
    response.quality = line.get("quality")
    return completion_cost(
        completion_response=response,
        model=line["model"],
        custom_llm_provider=line["custom_llm_provider"],
        call_type=line["call_type"],
        size=line.get("size"),
        quality=line.get("quality"),
        n=line["images"],
        optional_params=image_options(line),
    )


def image_options(line):
    """Size and quality where the calculators of single providers look for them."""
    options = {name: line[name] for name in ("steps", "quality") if name in line}
    if "size" in line:
        width, height = line["size"].split("x")
        options["image_size"] = {"width": int(width), "height": int(height)}
    return options


def of_video(case):
    line = case.line
    names = {
        "duration_seconds": "duration_seconds",
        "resolution": "video_resolution",
        "videos": "video_count",
    }
    usage = {theirs: line[ours] for ours, theirs in names.items() if ours in line}
    response = VideoObject(id="1", object="video", status="completed", usage=usage)
    return completion_cost(
        completion_response=response,
        model=line["model"],
        custom_llm_provider=line["custom_llm_provider"],
        call_type="create_video",
    )


def of_ocr(case):
    line = case.line
    usage = OCRUsageInfo(
        pages_processed=line.get("pages"),
        pages_processed_annotation=line.get("annotated_pages"),
        credits=line.get("credits"),
    )
    response = OCRResponse(pages=[], model=line["model"], usage_info=usage)
    return sum(
        cost_per_token(
            model=line["model"],
            custom_llm_provider=line["custom_llm_provider"],
            call_type="ocr",
            response=response,
        )
    )


def of_rerank(case):
    line = case.line
    tokens = line["usage"]["total_tokens"]
    units = {"search_units": line.get("search_units"), "total_tokens": tokens}
    return sum(
        cost_per_token(
            model=line["model"],
            custom_llm_provider=line["custom_llm_provider"],
            call_type="rerank",
            rerank_billed_units=units,
        )
    )


class Response:
    """Carries the options of a search where litellm looks for them."""

    def __init__(self, options):
        self._hidden_params = options


def of_search(case):
    line = case.line
    options = {"max_results": line["max_results"]} if "max_results" in line else {}
    return sum(
        cost_per_token(
            model=line["model"],
            custom_llm_provider=line["custom_llm_provider"],
            call_type="search",
            number_of_queries=line["queries"],
            response=Response(options),
        )
    )


def unmapped(case):
    """Whether litellm's look-up of a model, which its batch calculator uses, does not find the entry."""
    try:
        model, provider = case.line["model"], case.line["custom_llm_provider"]
        _, provider, _, _ = litellm.get_llm_provider(model=model, custom_llm_provider=provider)
        litellm.get_model_info(model=model, custom_llm_provider=provider)
    except Exception:  # any error is a miss
        return True
    return False


def names():
    """The names of all entries."""
    return list(litellm.model_cost)


def entry(name):
    """One entry."""
    return litellm.model_cost[name]


FUNCTIONS = {
    "tokens": of_tokens,
    "completion": of_completion,
    "image": of_image,
    "video": of_video,
    "ocr": of_ocr,
    "rerank": of_rerank,
    "search": of_search,
}
