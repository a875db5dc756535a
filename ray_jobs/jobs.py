"""What the jobs over an archive are: which rows they leave, which stages make them, what such a row depends on.

`archive_run` does the rest, in the same way for each: list, resume, stream, keep the books, say how it went.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from clipsum import rows, storage
from clipsum.datasets import embedding_rows
from clipsum.models.bundle import read_manifest
from ray_jobs import actors, report
from ray_jobs.actors import Stage
from ray_jobs.blocks import video_bytes_of
from ray_jobs.parts import Layout
from ray_jobs.pools import ActorPool, Plan
from ray_jobs.stages import StageSettings


class Step(NamedTuple):
    """A stage in the pipeline: its actors, how many of them, and how many videos one takes at once."""

    stage: Stage
    pool: ActorPool
    videos: int


class Job(ABC):
    """A job over an archive, with one row for each listed video."""

    doing: ClassVar[str]
    """What a run does and, in `done`, what it has done to a video: words for people."""
    done: ClassVar[str]
    layout: ClassVar[Layout]
    costs: ClassVar[tuple[str, ...]]
    """The stages whose processor time is accounted for, each in a column `<stage>_cpu_s` of the results."""

    @abstractmethod
    def steps(self, plan: Plan) -> list[Step]:
        """The stages from manifest rows to result rows; the first takes `plan.decode_batch` videos."""

    @abstractmethod
    def depends_on(self, settings: StageSettings) -> list[Any]:
        """All that a row depends on but its video, its words and its own question, as JSON values."""

    @abstractmethod
    def row_bytes(self, settings: StageSettings) -> int:
        """About how large a row may be."""

    def facts(self, settings: StageSettings) -> dict[str, Any]:
        """What run.json says of this job beside counts and costs."""
        return {"bundle_id": settings.bundle_id}

    @abstractmethod
    def finish(self, output: str, run: dict[str, Any], changed: bool) -> tuple[str, str]:
        """What is done once all rows are there; returns what to show to people, and its address.

        `changed` is False where the rows are those that an earlier start has ended with.
        """

    def settings_id(self, settings: StageSettings) -> str:
        """A hash of all that a row depends on but its video, its words and its own question (see `resume`).

        New words alone make no row new: a version tells of the video's file. Who has new transcripts and wants new
        summaries of them names another output.
        """
        return hashlib.sha256(json.dumps(self.depends_on(settings)).encode()).hexdigest()[:16]


class SummarizeJob(Job):
    """`clipsum summarize`: frames and words -> summaries, and a report of them all."""

    doing, done, layout = "Summarising", "summarised", Layout()
    costs = ("decode", "encode", "generate")

    def steps(self, plan: Plan) -> list[Step]:
        """Decode, encode, summarize."""
        assert plan.summarize is not None  # a plan for this job has the pool
        last = Step(actors.SUMMARIZE, plan.summarize, plan.summarize_batch)
        if plan.fused:
            return [Step(actors.DECODE_AND_ENCODE, plan.encode, plan.decode_batch), last]
        first = Step(actors.DECODE, plan.decode, plan.decode_batch)
        return [first, Step(actors.ENCODE, plan.encode, plan.encode_batch), last]

    def depends_on(self, settings: StageSettings) -> list[Any]:
        """The bundle, which frames, how many thumbnails, what is asked of all videos, how highlights are chosen."""
        of_all = [settings.bundle_id, str(settings.sampling), settings.seek, settings.thumbnails, rows.SCHEMA_VERSION]
        if settings.scores:
            of_all += [sorted(settings.queries), settings.highlights.model_dump(mode="json")]
        return of_all

    def row_bytes(self, settings: StageSettings) -> int:
        """Thumbnails and scores."""
        scores = 4 * settings.sampling.most * (1 + len(settings.queries)) if settings.scores else 0
        return (1 + settings.thumbnails) * rows.THUMBNAIL_BYTES + scores

    def facts(self, settings: StageSettings) -> dict[str, Any]:
        """What was asked of every video, too."""
        return {**super().facts(settings), **({"queries": list(settings.queries)} if settings.queries else {})}

    def finish(self, output: str, run: dict[str, Any], changed: bool) -> tuple[str, str]:
        """Render the report, for which all rows are read, where it is not there already."""
        place = report.place_of(output)
        return "Report", place if not changed and storage.exists(place) else report.write_report(output, run)


class EmbedJob(Job):
    """`clipsum embed`: frames -> embeddings, stored with the words and the references for training."""

    doing, done = "Embedding", "embedded"
    layout = Layout(embedding_rows.FOLDER, embedding_rows.SCHEMA, carried=("split", "summary"))
    costs = ("decode", "encode")

    def steps(self, plan: Plan) -> list[Step]:
        """Decode, embed."""
        if plan.fused:
            return [Step(actors.DECODE_AND_EMBED, plan.encode, plan.decode_batch)]
        first = Step(actors.DECODE, plan.decode, plan.decode_batch)
        return [first, Step(actors.EMBED, plan.encode, plan.encode_batch)]

    def depends_on(self, settings: StageSettings) -> list[Any]:
        """The encoder and not the bundle around it, which frames, and what is stored of them."""
        frames = [settings.fingerprint, str(settings.sampling), settings.seek]
        return [*frames, settings.thumbnails, settings.keep_pixels, embedding_rows.SCHEMA_VERSION]

    def row_bytes(self, settings: StageSettings) -> int:
        """Vectors, thumbnails, and pixels where they are kept."""
        manifest, _ = read_manifest(settings.bundle)
        pixels = video_bytes_of(settings.sampling, settings.preprocessing.size_px) if settings.keep_pixels else 0
        thumbnails = (1 + settings.thumbnails) * rows.THUMBNAIL_BYTES
        return pixels + thumbnails + settings.sampling.most * (2 * manifest.encoder.width + 9)

    def facts(self, settings: StageSettings) -> dict[str, Any]:
        """The encoder, and which frames it saw."""
        manifest, _ = read_manifest(settings.bundle)
        kind = {"sampling": str(settings.sampling), "seek": settings.seek}
        return {**super().facts(settings), "encoder": manifest.encoder.model_dump(mode="json"), **kind}

    def finish(self, output: str, run: dict[str, Any], changed: bool) -> tuple[str, str]:
        """Nothing is left to do: the rows are what training reads."""
        return "Embeddings", storage.join(output, self.layout.folder)


SUMMARIZE, EMBED = SummarizeJob(), EmbedJob()
JOBS: tuple[Job, ...] = (SUMMARIZE, EMBED)
