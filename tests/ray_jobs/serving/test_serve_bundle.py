"""Every replica serves the bundle that is pointed at, from its first moment on, and all of them the same."""

import asyncio
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from clipsum.config import Sampling
from clipsum.errors import ItemError, UsageError
from clipsum.serving.pointer import BundlePointer
from clipsum.serving.refusals import RefusedError
from ray_jobs import serve_ingress, serve_summarize
from ray_jobs.pools import Machine
from ray_jobs.serve_app import stage_settings
from ray_jobs.serve_bundle import Follower, pointer_of
from ray_jobs.serve_census import Census
from ray_jobs.serve_config import ServeConfig
from ray_jobs.serve_ingress import Ingress, Shape
from ray_jobs.serve_places import located
from ray_jobs.serve_summarize import Writer
from tests.loops import run
from tests.models.tiny import tiny_model, write_bundle


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two bundles."""
    folder = tmp_path_factory.mktemp("bundles")
    for seed in (1, 2):
        write_bundle(str(folder / str(seed)), folder / "clip", sampling=Sampling(frames=4), model=tiny_model(seed))
    return [folder / "1", folder / "2"]


class Scene:
    """A service that is configured for the first of two bundles; its replicas as objects, their models as names."""

    def __init__(self, folder: Path, made: list[Path], patch: pytest.MonkeyPatch) -> None:
        self.first, self.second = (str(shutil.copytree(each, folder / each.name)) for each in made)
        self.config = located(ServeConfig(bundle=self.first, state=str(folder / "state"), uploads=str(folder / "up")))
        self.settings = stage_settings(self.config, self.first, Machine(2))
        self.pointer = pointer_of(self.config)
        self.loaded: list[str] = []
        self.unloadable: set[str] = set()
        for module in (serve_ingress, serve_summarize):
            patch.setattr(module, "Meters", lambda: SimpleNamespace())
        patch.setattr(serve_summarize, "Models", self._load)

    def follower(self) -> Follower:
        return Follower(self.settings, self.pointer)

    def writer(self) -> Writer:
        return Writer(self.settings, self.pointer)

    def ingress(self) -> Ingress:
        writer = SimpleNamespace(
            prepare=SimpleNamespace(remote=lambda settings: asyncio.ensure_future(self._prepare(settings)))
        )
        return Ingress(self.config, self.settings, (), None, writer, Shape(Census(1, 1, 1), 8))

    def rewrite_first(self) -> None:
        shutil.rmtree(self.first)
        shutil.copytree(self.second, self.first)

    async def _prepare(self, settings):
        self._load(settings)

    def _load(self, settings):
        if settings.bundle in self.unloadable:
            raise UsageError("it cannot be had")
        self.loaded.append(settings.bundle)
        return settings.bundle_id


@pytest.fixture
def scene(tmp_path: Path, made: list[Path], monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, made, monkeypatch)


def test_all_replicas_follow_and_go_back_where_the_pointer_is_gone(scene: Scene):
    one, other = scene.follower(), scene.follower()
    assert other.look() is None
    one.point(one.towards(scene.second))
    turn = other.look()
    other.take(turn)
    assert one.settings == other.settings == turn.settings != scene.settings
    assert other.look() is None
    Path(scene.pointer.place).unlink()
    other.take(other.look())
    assert other.settings == scene.settings


def test_a_bundle_that_is_written_anew_under_its_name_is_followed_once_it_is_pointed_at(scene: Scene):
    one, other = scene.follower(), scene.follower()
    scene.rewrite_first()
    assert other.look() is None
    one.point(one.towards(scene.first))
    turn = other.look()
    assert (turn.settings.bundle, turn.settings.bundle_id == scene.settings.bundle_id) == (scene.first, False)
    assert one.settings == turn.settings


def test_over_http_a_folder_is_named_whole(scene: Scene, monkeypatch):
    monkeypatch.chdir(Path(scene.second).parent)
    with pytest.raises(UsageError, match="whole path"):
        scene.follower().towards(Path(scene.second).name)
    assert scene.follower().towards("kitchen-tiny").settings.bundle == "kitchen-tiny"


def test_a_new_writer_begins_with_the_bundle_that_is_pointed_at(scene: Scene):
    pointing = scene.follower()
    pointing.point(pointing.towards(scene.second))
    scene.writer()
    assert scene.loaded == [scene.second]


def test_a_new_writer_can_begin_after_its_bundle_was_written_anew_and_pointed_at(scene: Scene):
    pointing = scene.follower()
    scene.rewrite_first()
    pointing.point(pointing.towards(scene.first))
    writer = scene.writer()
    assert list(writer._models) == [pointing.settings.bundle_id]


def test_a_writer_begins_as_configured_where_the_other_bundle_cannot_be_had(scene: Scene):
    pointing = scene.follower()
    pointing.point(pointing.towards(scene.second))
    scene.unloadable.add(scene.second)
    scene.writer()
    assert scene.loaded == [scene.first]
    Path(scene.pointer.place).write_text("no pointer")
    scene.writer()
    assert scene.loaded == [scene.first] * 2


def test_where_the_pointer_cannot_be_moved_no_replica_changes(scene: Scene, monkeypatch):
    def fails(*_):
        raise ItemError("storage_error", "open", "away")

    async def moved():
        ingress = scene.ingress()
        monkeypatch.setattr(BundlePointer, "move", fails)
        with pytest.raises(RefusedError) as refused:
            await ingress.move(scene.second)
        return ingress, refused.value

    ingress, refused = run(moved())
    assert (refused.status, refused.reason, refused.retry_after_s) == (503, "storage_error", 5.0)
    assert ingress._settings == scene.settings
    assert scene.follower().look() is None


def test_the_card_is_that_of_what_is_served_and_read_once(scene: Scene, monkeypatch):
    async def cards():
        ingress, read = scene.ingress(), []
        real = serve_ingress.load_bundle
        monkeypatch.setattr(serve_ingress, "load_bundle", lambda name: read.append(name) or real(name))
        told = [await ingress.card(), await ingress.card(), await ingress.move(scene.second), await ingress.card()]
        return [card.bundle_id for card in told], read, ingress

    ids, read, ingress = run(cards())
    assert ids[:2] == [scene.settings.bundle_id] * 2
    assert ids[2:] == [ingress._settings.bundle_id] * 2 != ids[:2]
    assert read == [scene.first, scene.second]


def test_where_no_replica_can_load_it_the_pointer_is_not_moved(scene: Scene):
    scene.unloadable.add(scene.second)

    async def moved():
        with pytest.raises(RefusedError) as refused:
            await scene.ingress().move(scene.second)
        return refused.value

    assert run(moved()).status == 422
    assert scene.pointer.read() is None


def test_who_asks_and_goes_leaves_all_replicas_with_the_same(scene: Scene, monkeypatch):
    real = BundlePointer.move

    async def moved():
        ingress = scene.ingress()
        asking = asyncio.ensure_future(ingress.move(scene.second))

        def slow(pointer, at):
            loop.call_soon_threadsafe(asking.cancel)
            real(pointer, at)

        loop = asyncio.get_running_loop()
        monkeypatch.setattr(BundlePointer, "move", slow)
        await asyncio.wait([asking])
        return ingress

    ingress = run(moved())
    assert ingress._settings.bundle == scene.second == scene.pointer.read().bundle


def test_a_writer_is_well_though_the_store_of_the_pointer_is_away_and_follows_once_it_is_back(scene, monkeypatch):
    go, asked = threading.Event(), []
    real = BundlePointer.read

    def slow(pointer):
        asked.append(pointer)
        assert go.wait(20)
        return real(pointer)

    async def scene_of():
        writer = scene.writer()
        pointing = scene.follower()
        pointing.point(pointing.towards(scene.second))
        monkeypatch.setattr(BundlePointer, "read", slow)
        for _ in range(3):
            await asyncio.wait_for(writer.check_health(), 5)
            await asyncio.sleep(0.01)
        assert len(asked) == 1
        go.set()
        await writer._following
        return writer

    assert run(scene_of())._follower.settings.bundle == scene.second
