"""Configuration of the service: `clipsum serve --config FILE --set key=value`, or `args` in `cluster/serve.yaml`."""

from typing import Any

from pydantic import Field

from clipsum.config import DEFAULT_BUNDLE, Config, Limits
from clipsum.highlights.select import HighlightConfig
from clipsum.serving.sources import Sources
from ray_jobs.pools import SMALL_CORES, Machine

BATCH_SHARES = 64
"""What a batch of the summarizer holds at most, in shares of positions; see `models`."""
LOOK_BACK_S = 4.0
BESIDE = 64
"""Requests that are no work: health, cards, jobs that are asked about."""


class Replicas(Config):
    """How many replicas a part may have, and what each reserves; what is not given is chosen for the machine.

    `ongoing`: requests that one takes at once; `target`: on the mean, beyond which there are to be more replicas.
    """

    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int | None = Field(default=None, ge=1)
    cpus: float | None = Field(default=None, gt=0)
    gpus: float | None = Field(default=None, ge=0)
    ongoing: int | None = Field(default=None, ge=1)
    target: float | None = Field(default=None, gt=0)


class ServeConfig(Config):
    """How the service is run. Without keys (CLIPSUM_API_KEYS, or `keys`, a file) `host` must be this machine's own."""

    bundle: str = DEFAULT_BUNDLE
    host: str = "0.0.0.0"
    keys: str | None = None
    sources: Sources = Sources()
    limits: Limits = Limits(max_duration_s=3600, max_bytes=4 * 2**30, deadline_s=600)
    deadline_s: float = Field(default=120.0, gt=0)
    """When an answer must be there, the reading of its body included."""
    job_deadline_s: float = Field(default=900.0, gt=0)
    """When a job must be done, once it is begun."""
    upload_bytes: int = Field(default=2 * 2**30, ge=1)
    uploads: str = ""
    """A folder that the machines of ingress and decoders share; by default one of this user's on this machine."""
    state: str = ""
    """Where jobs and the pointer to the bundle are kept: a folder, or s3://; by default as `uploads`."""
    keep_s: float = Field(default=7 * 24 * 3600.0, gt=0)
    """How long results of jobs are kept."""
    webhooks: tuple[str, ...] = ()
    """Hosts that may be told of the end of jobs, as `sources.https` takes them; none by default."""
    webhook_secret_file: str | None = None
    """Holds what webhooks are signed with; without one there are none."""
    jobs_at_once: int = Field(default=2, ge=1)
    """Jobs that each ingress works on beside requests."""
    shared_files: bool = False
    """Every machine of the cluster sees the same local paths."""
    cache_bytes: int = Field(default=256 * 2**20, ge=0)
    """What each ingress keeps of what was seen of videos."""
    thumbnails: int = Field(default=5, ge=0, le=20)
    highlights: HighlightConfig = HighlightConfig()
    watch_s: float = Field(default=5.0, gt=0)
    """How often replicas look for another bundle."""
    upscale_delay_s: float = Field(default=5.0, ge=0)
    downscale_delay_s: float = Field(default=300.0, ge=0)
    drain_s: float = Field(default=30.0, ge=0)
    """How long a replica that goes may finish what it has begun."""
    most_requests: int = Field(default=256, ge=1)
    """Requests in the whole service at once, running and waiting: each ingress lets in its part of them."""
    ingress: Replicas = Replicas()
    decode: Replicas = Replicas()
    summarize: Replicas = Replicas()


def settled(config: ServeConfig, part: str, machine: Machine) -> Replicas:
    """The replicas of "ingress", "decode" or "summarize", with every number but `target` settled."""
    given: Replicas = getattr(config, part)
    chosen = _automatic(machine)[part].model_copy(update=given.model_dump(exclude_none=True))
    return chosen.model_copy(update={"max_replicas": max(chosen.min_replicas, chosen.max_replicas or 1)})


def admitted(config: ServeConfig, machine: Machine) -> int:
    """How many requests one ingress lets in: all of them, at their most, let in `most_requests`."""
    return max(1, config.most_requests // (settled(config, "ingress", machine).max_replicas or 1))


def options(config: ServeConfig, part: str, machine: Machine) -> dict[str, Any]:
    """The options of a deployment: `part` is "ingress", "decode" or "summarize"."""
    chosen, own = settled(config, part, machine), admitted(config, machine)
    # an ingress gets more than it lets in, so that it says no itself, in the words of the contract
    ongoing = chosen.ongoing or 2 * own + BESIDE
    return {
        "max_ongoing_requests": ongoing,
        "max_queued_requests": 2 * own + BESIDE,
        "backpressure_config": {"status_code": 503, "retry_after_s": 2},
        "autoscaling_config": {
            "min_replicas": chosen.min_replicas,
            "max_replicas": chosen.max_replicas,
            "target_ongoing_requests": chosen.target or ongoing / 2,
            "upscale_delay_s": config.upscale_delay_s,
            "downscale_delay_s": config.downscale_delay_s,
            "metrics_interval_s": LOOK_BACK_S / 2,
            "look_back_period_s": LOOK_BACK_S,
        },
        "ray_actor_options": {"num_cpus": chosen.cpus, "num_gpus": chosen.gpus or 0},
        "graceful_shutdown_timeout_s": config.drain_s,
        "graceful_shutdown_wait_loop_s": 0.5,
        "health_check_period_s": 10,
        "health_check_timeout_s": 60,
    }


def _automatic(machine: Machine) -> dict[str, Replicas]:
    """On few cores a replica reserves a sliver and the system shares the cores out; on many it reserves what it uses.

    A decoder takes one video at a time; those that wait at it for their turn save the way there.
    """
    cores = max(1, int(machine.cores))
    small = cores < SMALL_CORES
    share = 0.1 if small else 1.0
    models = max(1, int(machine.gpus) or (1 if small else cores // 8))
    return {
        "ingress": Replicas(max_replicas=1 if small else 4, cpus=share, target=32),
        "decode": Replicas(max_replicas=max(1, cores if small else cores // 2), cpus=share, ongoing=3, target=1.5),
        "summarize": Replicas(
            max_replicas=models,
            cpus=share if small or machine.gpus else 4.0,
            gpus=1 if machine.gpus else 0,
            ongoing=2 * BATCH_SHARES,
            target=BATCH_SHARES / 2,
        ),
    }
