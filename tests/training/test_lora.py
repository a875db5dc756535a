import pytest
import torch
from safetensors.torch import load_file

from clipsum.errors import UsageError
from clipsum.models.bundle import load_bundle
from tests.models.tiny import batch_of, item
from tests.training.runs import changed, losses, trainer

ADAPTED = changed(lora={"rank": 2, "alpha": 8.0, "targets": ["q_proj", "v_proj", "fc1"]})


def test_adapters_leave_barts_own_weights_alone_and_learn_with_what_is_new(base):
    run = trainer(base, ADAPTED)
    _ = list(run.run())
    model = run._learner.model
    assert run.notes[1].startswith(f"{run.trained_parameters:,} of ")
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert all(".lora_" in name for name in trained if name.startswith("bart."))
    assert {"fusion.merge.weight", "project.weight"} <= trained
    own = base.model.state_dict()
    for name, weight in model.named_parameters():
        if name not in trained:
            assert torch.equal(weight, own[name.replace(".base_layer.", ".")]), name
        elif name.replace(".base_layer.", ".") in own and weight.ndim > 1:
            assert not torch.equal(weight, own[name]), name


def test_a_bundle_of_adapters_is_a_plain_one_that_writes_the_same(base, tmp_path):
    run = trainer(base, ADAPTED)
    _ = list(run.run())
    run.write_bundle(str(tmp_path / "bundle"))
    bundle = load_bundle(str(tmp_path / "bundle"))
    names = [set(load_file(folder / "model.safetensors")) for folder in (bundle.folder, base.folder)]
    assert names[0] == names[1]
    batch = batch_of(item(9, 5, labels=(0, 7, 8, 2)))
    with torch.no_grad():
        adapted, plain, before = (m(**batch).logits for m in (run._learner.model.eval(), bundle.model, base.model))
    assert torch.allclose(adapted, plain, atol=1e-4)
    assert not torch.allclose(plain, before, atol=1e-2)


def test_a_restored_run_with_adapters_is_equal_to_the_bit_to_one_that_never_stopped(base, tmp_path):
    expected = losses(trainer(base, ADAPTED).run())
    first = trainer(base, ADAPTED)
    reports = first.run()
    begun = [next(reports).loss for _ in range(4)]
    first.save(tmp_path / "checkpoint")
    second = trainer(base, ADAPTED)
    second.restore(tmp_path / "checkpoint")
    assert begun + losses(second.run()) == expected


def test_layers_that_bart_does_not_have_are_refused_by_name(base):
    with pytest.raises(UsageError, match=r"lora.targets=\['q_porj'\] does not fit this BART"):
        trainer(base, changed(lora={"rank": 2, "targets": ["q_porj"]}))
