"""Small randomly initialised CLIPs of the real classes, saved as open_clip saves for a hub."""

from pathlib import Path

import torch
from open_clip.model import CLIP
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from clipsum.config import Preprocessing
from clipsum.encoders.clip_files import write_clip

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
WORDS = ("cut", "stir", "the", "onion", "carrot", "with", "a", "knife", "spoon", ".")
VISION = {
    "transformer": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "convolutions": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 8},
}


def word_tokenizer() -> PreTrainedTokenizerFast:
    """One token for each of WORDS, framed by `<s> … </s>`."""
    numbers = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    pad, start, end, unknown = SPECIAL
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(start, numbers[start]), (end, numbers[end])]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, bos_token=start, eos_token=end, unk_token=unknown
    )


def write_tiny_clip(folder: Path, tower: str = "transformer", seed: int = 0, prep: Preprocessing | None = None) -> Path:
    """A folder in open_clip's hub layout with its own word tokenizer."""
    vision = VISION[tower]
    tokenizer = word_tokenizer()
    text = {
        "context_length": 12,
        "vocab_size": len(tokenizer),
        "hf_tokenizer_name": "words",
        "width": 32,
        "heads": 2,
        "layers": 1,
        "pool_type": "eos",
        "eos_id": SPECIAL.index("</s>"),
    }
    model_cfg = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}
    torch.manual_seed(seed)
    model = CLIP(**model_cfg).eval()
    write_clip(folder, model, model_cfg, prep or Preprocessing(size_px=vision["image_size"]), tokenizer)
    return folder
