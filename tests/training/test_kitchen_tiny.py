import json
import re

import numpy as np
import pytest
import torch

from clipsum.config import Sampling
from clipsum.datasets.kitchen.corpus import write_split
from clipsum.datasets.kitchen.recipe import make_video
from clipsum.encoders.clip import load_clip
from clipsum.metrics.kitchen import hidden_slots, order_tau
from clipsum.metrics.rank_correlation import tau_per_user
from clipsum.metrics.seconds import f1_at_equal_budget, per_second
from clipsum.models.bundle import BUNDLED, load_bundle, read_manifest
from clipsum.models.guidance import guide, guiding_texts
from clipsum.models.summarize import Summarizer
from clipsum.records import Embeddings, VideoRef
from clipsum.training import kitchen_tiny
from clipsum.training.frames import decode_rows, read_frames
from clipsum.training.frames import read_manifest as read_rows
from clipsum.training.kitchen_card import slots_read
from clipsum.training.kitchen_scoring import marks_of
from clipsum.training.tiny_clip import TAUGHT_FILE
from clipsum.transcript.find import find_transcript
from tests.forked import CONTEXT

FRESH_SEED = 11  # not the corpus's: none of these videos was ever seen, and their triples are not those of training


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def bundle():
    return load_bundle("kitchen-tiny")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return write_split(tmp_path_factory.mktemp("kitchen") / "test", "test", 24, FRESH_SEED, workers=2)


@pytest.fixture(scope="module")
def seen(bundle, fresh):
    """(video, embeddings, transcript, duration in s) of each fresh video, as the main job would have them."""
    encoder, manifest = bundle.encoder(), bundle.manifest
    found = []
    for row, decoded in decode_rows(read_rows(fresh), encoder.preprocessing, manifest.sampling, manifest.seek):
        frames = decoded.frames
        vectors = encoder.encode_frames(frames.pixels)
        kind = (encoder.fingerprint, str(manifest.sampling), manifest.seek)
        words, _ = find_transcript(VideoRef(row["video"], row["video_id"], "1"))
        video = make_video("test", row["index"], row["seed"])
        found.append((video, Embeddings(frames.times_s, vectors, *kind), words, decoded.duration_s))
    return found


def share_right(seen, summaries):
    asked = [right for (video, *_), summary in zip(seen, summaries, strict=True)
             for _, right in hidden_slots(video, summary.text)]  # fmt: skip
    return np.mean(asked)


def test_the_shipped_bundle_reads_hidden_slots_and_order_off_fresh_frames(bundle, seen):
    summaries = Summarizer(bundle).summarize([tuple(rest) for _, *rest in seen])
    assert {summary.evidence for summary in summaries} == {"both"}
    assert share_right(seen, summaries) >= 0.8
    taus = [order_tau(video, summary.text) for (video, *_), summary in zip(seen, summaries, strict=True)]
    assert np.mean([tau for tau, (video, *_) in zip(taus, seen, strict=True) if video.shuffled]) >= 0.8


def test_the_shipped_bundle_finds_what_is_asked_ranks_as_annotators_do_and_says_when_nothing_answers(bundle, seen):
    summarizer, encoder = Summarizer(bundle), bundle.encoder()
    found, chance, right, agreed = [], [], [], []
    for video, embeddings, words, duration_s in seen:
        marks, times_s = marks_of(video), embeddings.times_s
        texts = [guiding_texts(None, words), *(guiding_texts(query.text, words) for query in marks.queries)]
        guides = [guide(each, encoder, duration_s) for each in texts]
        generic, *asked = summarizer.score(embeddings, duration_s, guides).astype(float)
        agreed.append(tau_per_user(per_second(times_s, generic, marks.importance.shape[1]), marks.importance).mean())
        for query, scores in zip(marks.queries, asked, strict=True):
            right.append((scores.max() >= bundle.manifest.model.scorer.match_threshold) == bool(query.segments))
            if (wanted := query.at(times_s) > 0).any():
                found.append(f1_at_equal_budget(scores, wanted))
                chance.append(f1_at_equal_budget(generic, wanted))
    assert np.mean(found) > max(0.9, 2 * np.mean(chance))
    assert np.mean(right) > 0.9
    assert np.mean(agreed) > 0.3


def test_the_shipped_bundle_cannot_guess_hidden_slots_from_words_or_from_other_frames(bundle, seen):
    summarizer = Summarizer(bundle)
    words_only = summarizer.summarize([(None, words, duration_s) for _, _, words, duration_s in seen])
    others = [seen[number - 1] for number in range(len(seen))]
    wrong_frames = summarizer.summarize(
        [(other, words, duration_s) for (_, _, words, _), (_, other, _, duration_s) in zip(seen, others, strict=True)]
    )
    assert share_right(seen, words_only) <= 0.35
    assert share_right(seen, wrong_frames) <= 0.35


def test_its_clip_names_what_fresh_frames_show(bundle, fresh):
    encoder = bundle.encoder()
    shares = slots_read(encoder, read_frames(fresh, 5, encoder.preprocessing))
    assert min(shares.values()) >= 95


def test_no_frame_embedding_tells_when_in_the_video_it_was(seen):
    rows = np.concatenate([np.c_[found.vectors, np.ones(len(found.vectors))] for _, found, *_ in seen])
    when = np.concatenate([found.times_s / duration_s for _, found, _, duration_s in seen])
    count = sum(len(found.times_s) for _, found, *_ in seen[:16])
    gram = rows[:count].T @ rows[:count] + 1e-2 * np.eye(rows.shape[1])
    told = rows[count:] @ np.linalg.solve(gram, rows[:count].T @ when[:count])
    left = when[count:] - told
    assert 1 - left @ left / np.sum((when[count:] - when[count:].mean()) ** 2) < 0.05


def test_its_clip_was_taught_from_the_training_split_only():
    taught = json.loads((BUNDLED / "kitchen-tiny" / "encoder" / TAUGHT_FILE).read_text())
    assert len(taught["videos"]) == len(set(taught["videos"])) >= 3000
    assert {video_id.split("-")[0] for video_id in taught["videos"]} == {taught["split"]} == {"train"}


def test_its_card_states_purpose_size_scores_beside_text_only_and_what_clip_was_taught(bundle):
    card = (bundle.folder / "README.md").read_text()
    size_mb = sum(path.stat().st_size for path in bundle.folder.rglob("*.safetensors")) / 1e6
    stated = re.search(r"ships with the package: ([\d.]+) MB", card)
    assert stated
    assert float(stated[1]) == pytest.approx(size_mb, abs=0.1)
    for words in ("one purpose", "toy kitchen", "CLIP was taught", "slots' names", "text only"):
        assert words in card, words
    for part in ("validation", "ood"):
        for system in ("both", "text"):
            assert f"{bundle.manifest.metrics[f'{part}.{system}.hidden']:.2f}" in card
    assert sum(path.stat().st_size for path in bundle.folder.rglob("*")) < 10e6


def test_make_kitchen_tiny_goes_from_a_seed_to_a_bundle_and_does_nothing_twice(tmp_path, capsys, monkeypatch):
    small = ("videos=12", "corpus_seed=5", "sampling.frames=6", "clip_frames_a_video=4", "clip.steps=4",
             "clip.warmup_steps=2", "clip.batch=16", "clip.width=8", "clipsum.training.max_steps=2",
             "clipsum.training.batch_size=8")  # fmt: skip
    words = [f"--work={tmp_path / 'work'}", f"--output={tmp_path / 'bundle'}"]
    words += [word for pair in small for word in ("--set", pair)]
    monkeypatch.setattr(kitchen_tiny, "get_context", lambda _: CONTEXT)
    kitchen_tiny.main(words)
    manifest, identity = read_manifest(str(tmp_path / "bundle"))
    assert manifest.sampling == Sampling(frames=6)
    assert manifest.fingerprint == load_clip(str(tmp_path / "work" / "tiny-clip")).fingerprint
    assert {"validation.both.hidden", "ood.text.rouge_l", "ood.clip.tool"} <= manifest.metrics.keys()
    for step in ("generate_corpus", "train_tiny_clip", "embed_manifest"):
        monkeypatch.delattr(kitchen_tiny, step)
    kitchen_tiny.main(words)
    assert read_manifest(str(tmp_path / "bundle"))[1] == identity
    with pytest.raises(SystemExit):
        kitchen_tiny.main([*words, "--set", "corpus_seed=6"])
    assert "was begun with corpus_seed=5, this call has corpus_seed=6: take another --work" in capsys.readouterr().err
