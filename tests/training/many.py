"""Runs by several real processes over gloo. All scenarios of a test module share one start of the processes."""

import torch
from torch.multiprocessing import start_processes

from clipsum.models.bundle import load_bundle
from clipsum.training.workers import process_group
from tests import forked
from tests.training.runs import split_reports, trainer


def run_together(folder, base, scenarios, size=2):
    """Name → what each worker saw of `scenario(base, group, folder)`, in the order of ranks."""
    folder.mkdir()
    arguments = (size, str(folder), str(base.folder), scenarios)
    forked.load()
    start_processes(_worker, arguments, nprocs=size, start_method="forkserver")
    found = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(size)]
    return {name: [each[name] for each in found] for name in scenarios}


def _worker(rank, size, folder, base, scenarios):
    torch.set_num_threads(1)
    loaded = load_bundle(base)
    with process_group(rank, size, f"file://{folder}/store") as group:
        found = {name: scenario(loaded, group, folder) for name, scenario in scenarios.items()}
    torch.save(found, f"{folder}/{rank}.pt")


def summary_of(run):
    """What is compared of a run, in plain values; the run is gone through to its end."""
    steps, validations = split_reports(run.run())
    return {
        "losses": [report.loss for report in steps],
        "norms": [report.gradient_norm for report in steps],
        "parts": [dict(report.losses) for report in steps],
        "tokens": [report.tokens for report in steps],
        "epochs": [report.epoch for report in steps],
        "metrics": [report.metrics for report in validations],
        "samples": [list(sample) for report in validations for sample in report.samples],
    }


class Run:
    """A scenario: one run of a configuration from start to end; `save` leaves a checkpoint of that name."""

    def __init__(self, config, save=None, data=None):
        self.config, self.save, self.data = config, save, data

    def __call__(self, base, group, folder):
        run = trainer(base, self.config, self.data and self.data(base, group), group=group)
        found = summary_of(run)
        if self.save:
            from pathlib import Path

            run.save(Path(folder) / self.save)
        return found
