"""A pretrained BART with its tokenizer: by hub name, from a folder as `save_pretrained` leaves it, or from `s3://`."""

from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer, BartForConditionalGeneration

from clipsum.encoders.hub import LOADING, files_or_hub, not_loaded
from clipsum.errors import UsageError
from clipsum.models.config import Generation

MAX_TOKENS = 128  # of a summary, where the checkpoint sets no length of its own: the paper's
DEFAULT_MAX_LENGTH = 20  # what the library writes where nobody chose a length
_MAY_BE_NEW = ("final_logits_bias", "lm_head.weight")  # zero, and tied to the embeddings: nothing that is learned


def read_bart(place: str) -> tuple[BartForConditionalGeneration, Any]:
    """The model in float32 on the CPU, in evaluation mode, and its tokenizer. Raises: UsageError, one line."""
    with files_or_hub(place, "BART") as path:
        return _read(str(path or place), place)


def own_generation(bart: BartForConditionalGeneration) -> Generation:
    """Settings that override nothing of the checkpoint's, but for a length where it has none of its own."""
    longest = bart.config.max_position_embeddings
    length = bart.generation_config.max_length  # counts the decoder start token, which `max_tokens` does not
    tokens = MAX_TOKENS if length is None or length == DEFAULT_MAX_LENGTH else length - 1
    return Generation(num_beams=None, no_repeat_ngram_size=None, max_tokens=max(2, min(tokens, longest - 1)))


def _read(source: str, place: str) -> tuple[BartForConditionalGeneration, Any]:
    try:
        kind = AutoConfig.from_pretrained(source).model_type
        if kind != "bart":
            raise UsageError(f"'{place}' is a model of type '{kind}': a BART is needed, such as facebook/bart-base")
        bart, found = BartForConditionalGeneration.from_pretrained(
            source, dtype=torch.float32, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except LOADING as error:
        raise not_loaded(f"BART '{place}'", error) from error
    missing = sorted({*found["missing_keys"], *(str(key) for key in found["mismatched_keys"])})
    missing = [key for key in missing if not key.endswith(_MAY_BE_NEW)]
    if missing:
        raise UsageError(f"BART '{place}' lacks {len(missing)} of its weights, the first: {missing[0]}")
    if len(tokenizer) > bart.config.vocab_size:
        raise UsageError(
            f"BART '{place}' has a tokenizer of {len(tokenizer)} tokens and {bart.config.vocab_size} embeddings: "
            "put the tokenizer of the same model beside it"
        )
    return bart.eval(), tokenizer
