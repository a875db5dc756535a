"""The bundle that is served, as settings of the stages, and how a replica follows the pointer to it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from clipsum.errors import ItemError, UsageError
from clipsum.models.bundle import load_bundle, name_elsewhere
from clipsum.serving.pointer import BundlePointer, Pointed
from clipsum.serving.refusals import RETRY_S, RefusedError
from clipsum.serving.schemas import BundleCard
from clipsum.serving.waiting import finished, looked_up
from clipsum.storage import join
from ray_jobs.serving.config import ServeConfig
from ray_jobs.stages import StageSettings

POINTER = "bundle.json"
log = logging.getLogger(__name__)


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


class Turn(NamedTuple):
    """What the pointer says, and the settings for it."""

    at: Pointed | None
    settings: StageSettings


class Follower:
    """What a replica serves: `settings`, those it begins with until `take`.

    A turn is taken once the models are loaded. A bundle that was written anew under its own name is another one as soon
    as somebody points at it.
    """

    def __init__(self, settings: StageSettings, pointer: BundlePointer) -> None:
        self.settings = self._begun = settings
        self._pointer = pointer
        self._seen: Pointed | None = None

    def look(self) -> Turn | None:
        """What is pointed at by now; None where that has not changed.

        Raises: UsageError where there is no bundle, ItemError where the store fails.
        """
        at = self._pointer.read()
        if at == self._seen:
            return None
        turn = self._turn(at, at.bundle if at else self._pointer.configured)
        if at and at.bundle_id not in ("", turn.settings.bundle_id):
            log.warning("the bundle was written anew since it was pointed at: %s is served", turn.settings.bundle_id)
        return turn

    def towards(self, name: str) -> Turn:
        """The turn to another bundle. Raises: UsageError where it is none, or a folder relative to who knows which."""
        if not Path(name).is_absolute() and name_elsewhere(name) != name:
            raise UsageError(f"bundle '{name}': give the whole path of a folder")
        turn = self._turn(None, name)
        return turn._replace(at=Pointed(turn.settings.bundle, turn.settings.bundle_id))

    def point(self, turn: Turn) -> None:
        """Let every replica follow, and take the turn. Raises: ItemError, and none does."""
        if turn.at is not None:
            self._pointer.move(turn.at)
        self.take(turn)

    def take(self, turn: Turn) -> None:
        """Serve so from now on."""
        self._seen, self.settings = turn.at, turn.settings

    def _turn(self, at: Pointed | None, name: str) -> Turn:
        return Turn(at, replace(self._begun, **described(name)))


class Served:
    """The bundle that an ingress serves: `settings`. `prepare` has all replicas ready for another; it may raise."""

    def __init__(self, follower: Follower, prepare: Callable[[StageSettings], Awaitable[None]]) -> None:
        self._follower, self._prepare = follower, prepare
        self._turning = asyncio.Lock()
        self._card: BundleCard | None = None

    @property
    def settings(self) -> StageSettings:
        """What a request that comes now is for; it keeps them to its end."""
        return self._follower.settings

    async def move(self, bundle: str) -> BundleCard:
        """As `Service.move`."""
        async with self._turning:
            try:
                turn = await asyncio.to_thread(self._follower.towards, bundle)
                await self._prepare(turn.settings)
                await finished(lambda: self._follower.point(turn))  # all replicas go with it, or none
            except UsageError as error:
                log.warning("the bundle was not changed: %s", error)
                raise RefusedError(422, "invalid_request", "bundle: no bundle that can be served is there") from error
            except ItemError as error:
                log.warning("the bundle was not changed: %s", error)
                raise RefusedError(503, "storage_error", "the bundle's pointer could not be moved", RETRY_S) from error
        return await self.card()

    async def follow(self) -> None:
        """Serve what is pointed at; where that cannot be, go on as before."""
        try:
            async with self._turning:
                turn = await looked_up(self._follower.look, of_jobs=True)
                if turn is not None:
                    await self._prepare(turn.settings)
                    self._follower.take(turn)
        except Exception as error:
            log.warning("another bundle could not be taken up: %s", error)

    async def card(self) -> BundleCard:
        """The model card, read once."""
        now = self.settings
        if self._card is None or self._card.bundle_id != now.bundle_id:
            self._card = await asyncio.to_thread(_card_of, now.bundle)
        return self._card


def _card_of(name: str) -> BundleCard:
    bundle = load_bundle(name)
    return BundleCard(
        bundle_id=bundle.bundle_id,
        fingerprint=bundle.manifest.fingerprint,
        sampling=str(bundle.manifest.sampling),
        seek=bundle.manifest.seek,
        card=(bundle.folder / "README.md").read_text("utf-8"),
    )
