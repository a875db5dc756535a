import pytest
from transformers import AutoTokenizer

from clipsum.training.tokenizer import train_tokenizer

TEXTS = ["Chop the red onion on the board, then stir.", "Stir the onion in the pan; add 250 g of rice."] * 3


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS)


def test_a_text_is_wrapped_in_start_and_end(tokenizer):
    ids = tokenizer("the onion")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id == 0
    assert ids[-1] == tokenizer.eos_token_id == 2
    assert tokenizer.pad_token_id == 1


def test_a_frequent_word_is_one_token(tokenizer):
    assert len(tokenizer("onion")["input_ids"]) == 3


@pytest.mark.parametrize("text", [TEXTS[0], "An unseen Wörd: 你好, and 17 l!"])
def test_every_text_comes_back_as_it_went_in_with_nothing_unknown(tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == text


def test_saved_files_load_as_the_same_tokenizer(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded(TEXTS)["input_ids"] == tokenizer(TEXTS)["input_ids"]
    specials = ("bos_token", "eos_token", "pad_token", "unk_token", "model_max_length")
    assert [getattr(loaded, name) for name in specials] == [getattr(tokenizer, name) for name in specials]


def test_the_same_texts_give_the_same_tokenizer(tokenizer):
    assert train_tokenizer(TEXTS).backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()
