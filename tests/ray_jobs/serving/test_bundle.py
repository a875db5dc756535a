"""Every replica serves the bundle that is pointed at, from its first moment on, and all of them the same."""

import asyncio
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from clipsum.config import Sampling
from clipsum.errors import ItemError, UsageError
from clipsum.rows import Outcome
from clipsum.serving.limits import Deadline
from clipsum.serving.pointer import BundlePointer
from clipsum.serving.probe import PROBE
from clipsum.serving.refusals import RefusedError
from ray_jobs.item import StageItem
from ray_jobs.pools import Machine
from ray_jobs.serving import bundle as serve_bundle
from ray_jobs.serving import ingress as serve_ingress
from ray_jobs.serving import summarize as serve_summarize
from ray_jobs.serving.app import stage_settings
from ray_jobs.serving.bundle import Follower, pointer_of
from ray_jobs.serving.census import Census
from ray_jobs.serving.config import ServeConfig
from ray_jobs.serving.ingress import Ingress, Shape
from ray_jobs.serving.models import Done
from ray_jobs.serving.places import located
from ray_jobs.serving.summarize import Writer
from tests.loops import run
from tests.models.tiny import tiny_model, write_bundle

SHAPE = Shape(Census(1, 1, 1), 8)


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
        self.prepared: list[str] = []
        for module in (serve_ingress, serve_summarize):
            patch.setattr(module, "Meters", lambda: SimpleNamespace())
        patch.setattr(serve_summarize, "Models", self._load)

    def follower(self) -> Follower:
        return Follower(self.settings, self.pointer)

    def writer(self) -> Writer:
        return Writer(self.settings, self.pointer)

    def ingress(self) -> Ingress:
        return Ingress(self.config, self.settings, (), self._part("decode"), self._part("write"), SHAPE)

    def rewrite_first(self) -> None:
        shutil.rmtree(self.first)
        shutil.copytree(self.second, self.first)

    def _part(self, name: str) -> SimpleNamespace:
        """A deployment of several replicas, as a handle to it."""

        async def prepare(settings, replicas):
            assert self.pointer.read() is None
            if settings.bundle in self.unloadable:
                raise UsageError("it cannot be had")
            self.prepared.append(f"{replicas} to {name}")

        def broadcast(method, settings):
            assert method == "prepare"
            return SimpleNamespace(results_async=lambda: prepare(settings, "all"))

        one = SimpleNamespace(remote=lambda settings: asyncio.ensure_future(prepare(settings, "one")))
        return SimpleNamespace(prepare=one, broadcast=broadcast)

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
    assert ingress._served.settings == scene.settings
    assert scene.follower().look() is None


def test_the_card_is_that_of_what_is_served_and_read_once(scene: Scene, monkeypatch):
    async def cards():
        ingress, read = scene.ingress(), []
        real = serve_bundle._card_of
        monkeypatch.setattr(serve_bundle, "_card_of", lambda name: read.append(name) or real(name))
        told = [await ingress.card(), await ingress.card(), await ingress.move(scene.second), await ingress.card()]
        return [card.bundle_id for card in told], read, ingress

    ids, read, ingress = run(cards())
    assert ids[:2] == [scene.settings.bundle_id] * 2
    assert ids[2:] == [ingress._served.settings.bundle_id] * 2 != ids[:2]
    assert read == [scene.first, scene.second]


def test_all_replicas_are_ready_before_the_pointer_moves(scene: Scene):
    run(scene.ingress().move(scene.second))
    assert scene.pointer.read().bundle == scene.second
    assert scene.prepared == ["one to write", "all to write", "one to decode", "all to decode"]


def test_where_no_replica_can_load_it_the_pointer_is_not_moved(scene: Scene):
    scene.unloadable.add(scene.second)

    async def moved():
        with pytest.raises(RefusedError) as refused:
            await scene.ingress().move(scene.second)
        return refused.value

    assert run(moved()).status == 422
    assert scene.pointer.read() is None
    assert scene.prepared == []


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
    assert ingress._served.settings.bundle == scene.second == scene.pointer.read().bundle


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


class Named:
    """Models that write the name of their bundle, once it is let go."""

    loading, go = threading.Event(), threading.Event()

    def __init__(self, settings) -> None:
        if settings.bundle_id == "other":
            self.loading.set()
            assert self.go.wait(20)
        self.name = settings.bundle_id

    def run(self, items, askers):
        return [Done({"status": "ok", "bundle_id": self.name, "index": item.index}, None) for item in items]


def test_while_a_writer_loads_another_bundle_requests_for_the_first_go_on(scene: Scene, monkeypatch):
    monkeypatch.setattr(serve_summarize, "Models", Named)
    monkeypatch.setattr(serve_summarize, "Meters", MagicMock)
    together = Writer._together.__wrapped__  # type: ignore[attr-defined]

    async def both(writer, *given):
        return (await together(writer, *([one, one] for one in given)))[0]

    monkeypatch.setattr(Writer, "_together", both)
    other = replace(scene.settings, bundle_id="other")

    async def asked():
        writer, item = scene.writer(), StageItem(0, Outcome(PROBE.ref))
        waiting = [asyncio.ensure_future(writer.summarize(item, other, Deadline(20))) for _ in range(2)]
        await asyncio.to_thread(Named.loading.wait, 10)
        names = [(await writer.summarize(item, scene.settings, Deadline(5))).row["bundle_id"] for _ in range(3)]
        assert not any(each.done() for each in waiting)
        Named.go.set()
        return names, [(await each).row["bundle_id"] for each in waiting], list(writer._models)

    first, second, kept = run(asked())
    assert first == [scene.settings.bundle_id] * 3
    assert (second, kept) == (["other"] * 2, [scene.settings.bundle_id, "other"])


def test_each_request_of_a_batch_has_the_bundle_that_it_is_for(scene: Scene, monkeypatch):
    monkeypatch.setattr(serve_summarize, "Meters", MagicMock)
    models = [Named(replace(scene.settings, bundle_id=name)) for name in ("a", "b")]
    items = [StageItem(number, Outcome(PROBE.ref)) for number in range(4)]

    async def rows():
        order = [models[number] for number in (1, 0, 0, 1)]
        return await Writer._together.__wrapped__(scene.writer(), items, order, [None] * 4)

    done = run(rows())
    assert [each.row["bundle_id"] for each in done] == ["b", "a", "a", "b"]
    assert [each.row["index"] for each in done] == [0, 1, 2, 3]
