"""A small tokenizer learned from the training split's own text, in the format that `AutoTokenizer` loads."""

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]  # ids 0 to 3, as BART numbers them


def train_tokenizer(texts: Iterable[str], vocabulary: int = 1024, max_tokens: int = 512) -> PreTrainedTokenizerFast:
    """Byte-level BPE, as BART's own: frequent words become one token, and no text at all is unknown.

    Encodes as `<s> … </s>`. `vocabulary` is an upper bound; merges that are seen once are not learned.
    `max_tokens` is the limit that the tokenizer states for its model.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=max_tokens,
        clean_up_tokenization_spaces=False,
    )
