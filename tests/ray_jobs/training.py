"""What the tests of `clipsum train` share: a small folder of embeddings, the call, and a look at the books."""

import json
import struct
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from clipsum import storage
from clipsum.datasets.embedding_rows import Kind
from clipsum.models.bundle import read_manifest
from tests.datasets.embedded_folder import failed, video, write_part

SMALL = (
    *("model.dropout=0", "model.bart_dropout=0", "batch_size=4", "epochs=3", "threads=1", "schedule.warmup_steps=2"),
    *("optimizer.learning_rate=0.003", "validation.batch_size=8", "checkpoint_every_s=1000"),
)
STEPS = 15  # 20 videos, 4 a step, 3 epochs


def write_embeddings(place, bundle, train=20, validation=5, test=0, **given):
    """Videos `t000` … of split train, `v000` … of split validation, `e000` … of split test, that `bundle` takes."""
    manifest, _ = read_manifest(bundle)
    kind = Kind(manifest.fingerprint, str(manifest.sampling), manifest.seek)
    names = [(f"t{i:03}", "train") for i in range(train)] + [(f"v{i:03}", "validation") for i in range(validation)]
    names += [(f"e{i:03}", "test") for i in range(test)]
    videos = [
        video(
            name, split, kind=kind, width=manifest.model.visual_width, **{"summary": f"Cut {i % 7} carrots.", **given}
        )
        for i, (name, split) in enumerate(names)
    ]
    write_part(str(place), 0, videos, kind)
    return str(place)


def write_gaps(place, bundle, listed):
    """Two videos of split train that could not be embedded, and a record that listed more than there are rows."""
    manifest, _ = read_manifest(bundle)
    kind = Kind(manifest.fingerprint, str(manifest.sampling), manifest.seek)
    write_part(str(place), 1, [failed("x0"), failed("x1", reason="timeout")], kind)
    storage.write_bytes(storage.join(str(place), "run.json"), json.dumps({"counts": {"listed": listed}}).encode())


def call(data, output, bundle, *more, workers=0, settings=()):
    """The arguments of a small run."""
    sets = [word for setting in (*SMALL, *settings) for word in ("--set", setting)]
    return [
        "train",
        "--data",
        str(data),
        "--output",
        str(output),
        "--bundle",
        bundle,
        "--workers",
        str(workers),
        *sets,
        *more,
    ]


def records(output, kind):
    lines = storage.read_bytes(storage.join(str(output), "metrics.jsonl")).decode().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def curve(output):
    """(step, loss) of each step, and (step, metrics) of each validation."""
    steps = [(record["step"], record["loss"]) for record in records(output, "step")]
    return steps, [(record["step"], record["metrics"]) for record in records(output, "validation")]


def steps_kept(output):
    return sorted(int(path.parent.name.rpartition("-")[2]) for path in Path(output).glob("checkpoints/*/state.json"))


def same_curve(output, expected, rel=1e-4):
    """The same steps and validations, and the same numbers but for rounding."""
    (steps, validations), (their_steps, their_validations) = curve(output), curve(expected)
    assert [step for step, _ in steps] == [step for step, _ in their_steps]
    assert [loss for _, loss in steps] == pytest.approx([loss for _, loss in their_steps], rel=rel)
    assert [step for step, _ in validations] == [step for step, _ in their_validations]
    for (_, metrics), (_, theirs) in zip(validations, their_validations, strict=True):
        assert metrics == pytest.approx(theirs, rel=1e-3, abs=1e-3)


def events(folder):
    """What TensorBoard reads."""
    for path in sorted(Path(folder).glob("events.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            yield Event.FromString(data[at + 12 : at + 12 + length])
            at += 12 + length + 4
