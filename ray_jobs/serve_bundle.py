"""The bundle that is served, as settings of the stages, and what the pointer says of it."""

from dataclasses import replace
from typing import Any

from clipsum.models.bundle import load_bundle
from clipsum.serving.pointer import BundlePointer
from clipsum.storage import join
from ray_jobs.serve_config import ServeConfig
from ray_jobs.stages import StageSettings

POINTER = "bundle.json"


def pointer_of(config: ServeConfig) -> BundlePointer:
    """Where replicas look for another bundle."""
    return BundlePointer(join(config.state, POINTER), config.bundle)


def described(name: str) -> dict[str, Any]:
    """What the stages are told of a bundle, by the names of `StageSettings`. Raises: UsageError where it is none."""
    bundle = load_bundle(name)
    manifest = bundle.manifest
    return {
        "bundle": bundle.name_elsewhere(name),
        "bundle_id": bundle.bundle_id,
        "fingerprint": manifest.fingerprint,
        "preprocessing": manifest.encoder.preprocessing,
        "sampling": manifest.sampling,
        "seek": manifest.seek,
        "scores": manifest.model.scorer is not None,
    }


def of_bundle(settings: StageSettings, name: str) -> StageSettings:
    """The settings for another bundle. Raises: UsageError where it is none."""
    return replace(settings, **described(name))


def pointed(settings: StageSettings, pointer: BundlePointer) -> StageSettings:
    """The settings for the bundle that is pointed at: the same where that has not changed.

    Raises: UsageError where it is none, ItemError where the store fails.
    """
    name = pointer.read()
    return settings if name in (None, settings.bundle) else of_bundle(settings, str(name))
