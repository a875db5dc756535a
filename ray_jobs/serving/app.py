"""The Serve application: `build` makes it, for `clipsum serve` and for `import_path` in `cluster/serve.yaml`."""

import os

from ray import serve
from ray.serve import Application

from clipsum.serving.keys import VARIABLE, ApiKey, KeyRing, check_bind, keys_of, read_keys
from ray_jobs.cluster import connected
from ray_jobs.pools import Machine
from ray_jobs.serving.bundle import described, pointer_of
from ray_jobs.serving.census import Census
from ray_jobs.serving.config import ServeConfig, admitted, options, settled
from ray_jobs.serving.decode import Decoder
from ray_jobs.serving.ingress import Ingress, Shape
from ray_jobs.serving.places import check_places, located
from ray_jobs.serving.summarize import Writer
from ray_jobs.stages import StageSettings

THREADS = 4


def build(args: ServeConfig) -> Application:
    """The application. Raises: UsageError where the bundle, the keys, the host or a place does not do."""
    args = located(args)
    keys = keys_for(args)
    check_bind(args.host, KeyRing(keys))
    check_places(args)
    with connected() as machine:
        settings = stage_settings(args, args.bundle, machine)
        decode = serve.deployment(Decoder, name="Decode", **options(args, "decode", machine))
        summarize = serve.deployment(Writer, name="Summarize", **options(args, "summarize", machine))
        most = (settled(args, part, machine).max_replicas or 1 for part in ("ingress", "decode", "summarize"))
        shape = Shape(Census(*most), admitted(args, machine))
        ingress = serve.deployment(serve.ingress()(Ingress), name="Ingress", **options(args, "ingress", machine))
    return ingress.bind(
        args, settings, keys, decode.bind(settings, args.sources), summarize.bind(settings, pointer_of(args)), shape
    )


def keys_for(args: ServeConfig) -> tuple[ApiKey, ...]:
    """The keys of the file, and those of the environment that are not in it."""
    own = read_keys(args.keys) if args.keys else ()
    known = {key.sha256 for key in own}
    return (*own, *(key for key in keys_of(os.environ.get(VARIABLE, "")) if key.sha256 not in known))


def stage_settings(args: ServeConfig, name: str, machine: Machine) -> StageSettings:
    """What every part has to know of a bundle. Raises: UsageError where it is none."""
    gpus = options(args, "summarize", machine)["ray_actor_options"]["num_gpus"]
    device, threads = ("cuda" if gpus else "cpu"), max(1, min(THREADS, int(machine.widest)))
    return StageSettings(
        **described(name),
        limits=args.limits,
        thumbnails=args.thumbnails,
        highlights=args.highlights,
        encode_threads=threads,
        summarize_threads=threads,
        encode_device=device,
        summarize_device=device,
    )
