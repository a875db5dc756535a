"""One start of a job over an archive: list, find what is to do, do it on Ray, keep the books, report."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from rich.console import Console

from clipsum import storage
from clipsum.datasets.manifest import list_sources
from clipsum.errors import UsageError
from clipsum.reports.units import counted
from ray_jobs import manifest, pipeline, run_record
from ray_jobs.call import Call, part_rows, stage_settings, with_pools
from ray_jobs.cluster import connected, local_of
from ray_jobs.interrupts import interrupts_held
from ray_jobs.jobs import JOBS
from ray_jobs.ledger import Ledger
from ray_jobs.manifest import Listed
from ray_jobs.owner import Owner, owned
from ray_jobs.places import check_place
from ray_jobs.pools import plan
from ray_jobs.progress import ProgressLine, print_summary
from ray_jobs.resume import Found
from ray_jobs.run_record import Attempt, Clock, Ending, Prices
from ray_jobs.stages import StageSettings
from ray_jobs.tally import Tally

EXIT_CODES: dict[Ending, int] = {"finished": 0, "too_many_failed": 1, "interrupted": 130}


def run_archive(call: Call, console: Console) -> int:
    """Do the run and return its exit code: 0, 1 when nothing or too little succeeded, 130 when it was interrupted.

    Raises: UsageError where the call is wrong, before any work is done.
    """
    settings = stage_settings(call)
    storage.check_writable(call.output)
    _refuse_foreign(call)
    with TemporaryDirectory(prefix="clipsum-") as scratch:
        refs = list_sources(call.sources, call.config.allow_https, call.limit)
        listed = manifest.write(refs, Path(scratch), manifest.file_rows(part_rows(call, settings)))
        return ArchiveRun(call, settings, listed, console).go()


def _refuse_foreign(call: Call) -> None:
    """Raise UsageError where the output is another job's: one run.json cannot be the record of both."""
    for job in JOBS:
        if job is not call.job and storage.exists(storage.join(call.output, job.layout.folder)):
            raise UsageError(
                f"--output '{storage.shown(call.output)}' holds what another job has written, in "
                f"'{job.layout.folder}': name a folder of its own"
            )
    check_place(call.output, "a run over an archive")


class ArchiveRun:
    """A run over what was `listed`, in a local folder, and its output."""

    def __init__(self, call: Call, settings: StageSettings, listed: Listed, console: Console) -> None:
        self._call, self._settings, self._listed, self._console = call, settings, listed, console
        job, asked = call.job, settings.queries if settings.scores else None
        sizes = part_rows(call, settings), call.config.flush_s
        self._ledger = Ledger(call.output, listed, job.settings_id(settings), *sizes, job.layout, asked)
        self._earlier: dict[str, Any] | None = None
        self._clock = Clock(job.costs)

    def go(self) -> int:
        """Do what is to do, close the books, and return the exit code. Nothing is written before work can begin.

        Raises: UsageError where another start works on the output, RunError where one has taken it over.
        """
        with owned(self._call.output, partial(self._console.print, highlight=False, soft_wrap=True)) as owner:
            return self._go(owner)

    def _go(self, owner: Owner) -> int:
        self._earlier = run_record.read(self._call.output)
        found = self._ledger.resume(self._call.retry_failed)
        self._refuse_loss(found)
        listed, todo = self._listed.videos, int(found.todo.sum())
        self._console.print(f"{counted(listed, 'video')} listed, {todo:,} to do", highlight=False)
        try:
            ending = self._work(found, owner)
        except KeyboardInterrupt:
            if self._clock.attempt.ending == "starting":
                return EXIT_CODES["interrupted"]
            ending = "interrupted"
        except BaseException:
            if self._clock.attempt.ending != "starting" and not owner.is_lost:
                self._close("error")
            raise
        owner.check()
        run = self._close(ending)
        what, place = self._call.job.finish(self._call.output, run, self._has_changed(found))
        print_summary(self._console, run, self._call.job.done, what, place)
        return self._exit_code(ending)

    def _has_changed(self, found: Found) -> bool:
        """Whether the rows or their settings are others than the last start ended with."""
        before = self._earlier or {"attempts": [], "counts": {}}
        ended = any(attempt["ending"] in EXIT_CODES for attempt in before["attempts"][-1:])
        as_before = ended and before.get("settings") == self._ledger.settings
        is_same = found.is_in_place and not found.reworded and before["counts"].get("listed") == self._listed.videos
        return bool(self._clock.attempt.videos) or not (as_before and is_same)

    def _exit_code(self, ending: Ending) -> int:
        there, listed = self._ledger.standing, self._listed.videos
        too_few = (listed and not there.ok) or there.failed > self._call.max_failed_fraction * listed
        return 1 if ending == "finished" and too_few else EXIT_CODES[ending]

    def _refuse_loss(self, found: Found) -> None:
        """Raise UsageError where rows would go unasked: of another archive, past `--limit`, of a mistyped glob."""
        if not found.unlisted or (self._call.config.drop_unlisted and self._call.limit is None):
            return
        rows, output = counted(found.unlisted, "row"), storage.shown(self._call.output)
        if self._call.limit is not None:
            raise UsageError(
                f"--limit {self._call.limit} would take {rows} out of '{output}', of videos past the limit or not "
                "listed: leave --limit out, or name another --output"
            )
        raise UsageError(
            f"'{output}' holds {rows} of videos that are not listed now, which would be lost: name another --output "
            "for another archive, or let them go with --set drop_unlisted=true"
        )

    def _begin(self, found: Found) -> Listed:
        """Make the output fit the listing, and say what goes."""
        going = {
            "of videos that are not listed any more dropped": found.unlisted,
            "of another bundle, other questions or other settings, to be replaced": found.stale,
            "of a video that is asked another question now, to be replaced": found.reasked,
        }
        for what, rows in going.items():
            if rows:
                self._console.print(f"{counted(rows, 'row')} {what}", highlight=False)
        self._clock.begin()
        self._ledger.settle()
        return manifest.publish(self._listed, storage.join(self._call.output, "manifest"))

    def _local_path(self) -> str | None:
        """A path that other machines may not have, of a source, the output or the bundle.

        Of the output they read the manifest alone, and not where that is handed to them.
        """
        output = self._call.output if self._listed.held is None else None
        given = (self._listed.local_example, output, self._settings.bundle)
        return None if self._call.config.shared_files else local_of(given)

    def _work(self, found: Found, owner: Owner) -> Ending:
        call, settings, todo = self._call, self._settings, found.todo
        if not todo.any():
            self._begin(found)
            return "finished"
        with connected(call.address, self._local_path()) as machine:
            videos, size_px = int(todo.sum()), settings.preprocessing.size_px
            listed_bytes = self._listed.total_bytes * videos // todo.size
            chosen = plan(call.config, settings.sampling, size_px, machine, videos, listed_bytes)
            settings = with_pools(settings, chosen)
            published = self._begin(found)
            self._clock.note(machine, chosen.pools)
            self._save(self._clock.so_far())
            timeout_s = call.config.no_progress_timeout_s
            steps = call.job.steps(chosen)
            with closing(pipeline.run(published, todo, settings, steps, timeout_s)) as results:
                return self._take(results, owner)

    def _take(self, results: Iterator[pa.Table], owner: Owner) -> Ending:
        """Enter results in the books as they come."""
        tally, listed = self._ledger.tally, self._listed.videos
        done, doing = tally.ok + tally.failed, self._call.job.doing
        with ProgressLine(self._console, listed, done, tally.failed, doing) as progress:
            for table in results:
                owner.check()
                with interrupts_held():
                    come = self._enter(table)
                progress.update(table.num_rows, come.failed, come.video_s)
                if tally.failed > self._call.max_failed_fraction * listed:
                    return "too_many_failed"
        return "finished"

    def _enter(self, table: pa.Table) -> Tally:
        flushes, come = self._ledger.flushes, self._ledger.add(table)
        self._clock.add(table, come)
        if self._ledger.flushes > flushes:  # who is killed later has paid for what is written now
            self._save(self._clock.so_far())
        return come

    def _close(self, ending: Ending) -> dict[str, Any]:
        self._ledger.flush()
        return self._save(self._clock.stop(ending))

    def _save(self, attempt: Attempt) -> dict[str, Any]:
        prices = Prices(self._call.config.price_core_hour, self._call.config.price_gpu_hour)
        facts = {**self._call.job.facts(self._settings), "settings": self._ledger.settings, "notes": self._call.notes}
        run = run_record.compose(self._earlier, attempt, self._listed, self._ledger.standing, facts, prices)
        run_record.write(self._call.output, run)
        return run
