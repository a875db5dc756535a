"""Small randomly initialised BARTs and tokenizers of the real classes, and batches for them."""

import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import BartConfig, BartForConditionalGeneration, BartTokenizer

from clipsum.encoders.clip import load_clip
from clipsum.models.batch import Item, collate
from clipsum.models.bundle import save_bundle
from clipsum.models.config import Generation, ModelConfig
from clipsum.models.summarizer import ClipSum
from clipsum.records import Embeddings
from tests.encoders.tiny_clips import write_tiny_clip

PROSE = (
    "First cut the onion with the small knife.",
    "Then stir the onion and two carrots in the pan.",
    "Add a cup of water. Now boil it all, and do not forget the salt!",
    "Is it soft? Serve the soup hot with bread.",
)


def bart_tokenizer() -> BartTokenizer:
    """BART's own tokenizer class over a vocabulary of some 320 pieces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(PROSE, trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    return BartTokenizer(vocab=learned["vocab"], merges=[tuple(merge) for merge in learned["merges"]])


def tiny_bart(seed: int = 0, layers: int = 3, **changes) -> BartForConditionalGeneration:
    """Random weights, large enough that what goes in changes what comes out."""
    torch.manual_seed(seed)
    config = BartConfig(
        vocab_size=320,
        d_model=32,
        encoder_layers=layers,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=160,
        init_std=0.15,
        **changes,
    )
    bart = BartForConditionalGeneration(config).eval()
    with torch.no_grad():
        bart.final_logits_bias.normal_()
    return bart


def tiny_config(**changes) -> ModelConfig:
    short = {"max_text_tokens": 64, "generation": Generation(max_tokens=12)}
    return ModelConfig(**{"visual_width": 24, "temporal_ffn": 48, **short, **changes})


def tiny_model(seed: int = 0, bart: BartForConditionalGeneration | None = None, **changes) -> ClipSum:
    torch.manual_seed(seed + 1)
    return ClipSum(tiny_config(**changes), bart or tiny_bart(seed)).eval()


def frames(count: int, width: int = 24, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def item(tokens: int, shown: int, seed: int = 0, width: int = 24, labels: tuple[int, ...] | None = None) -> Item:
    """Random words and frames; `shown` 0 is an item without frames."""
    words = np.random.default_rng(seed).integers(5, 320, tokens).tolist()
    relative = (np.arange(shown) + 0.5) / max(1, shown)
    vectors = frames(shown, width, seed) if shown else None
    return Item((0, *words, 2), vectors, relative if shown else None, labels)


def batch_of(*items: Item) -> dict[str, torch.Tensor]:
    return collate(items, pad_id=1)


def write_bundle(place: str, clip_folder: Path, **changes) -> str:
    """A small bundle of the real parts; returns its id."""
    given = {"seek": "auto", "card": "# A toy\n", "trained_on": "nothing", "git_revision": "abc", **changes}
    encoder = load_clip("tiny", str(write_tiny_clip(clip_folder)))
    sampling = given.pop("sampling")
    model = given.pop("model", None) or tiny_model()
    return save_bundle(place, model=model, tokenizer=bart_tokenizer(), encoder=encoder, sampling=sampling, **given)


def embeddings_of(vectors: np.ndarray, fingerprint: str, sampling: str = "uniform:8", seek: str = "auto") -> Embeddings:
    times_s = (np.arange(len(vectors)) + 0.5) * 30 / max(1, len(vectors))
    return Embeddings(times_s, vectors, fingerprint, sampling, seek)
