"""What the service keeps lies where the caller means it, for its own eyes, and is looked at before it starts."""

import stat
from contextlib import nullcontext
from pathlib import Path

import pytest
import ray
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE

from clipsum.errors import UsageError
from clipsum.serving.keys import VARIABLE, hash_of, new_key, toml_of
from ray_jobs.cli import run
from ray_jobs.cluster import local_of
from ray_jobs.serving import proxy
from ray_jobs.serving.app import keys_for
from ray_jobs.serving.config import ServeConfig
from ray_jobs.serving.places import check_places, check_uploads, held, jobs_of, local_places, located
from ray_jobs.serving.proxy import refuse_unguarded
from ray_jobs.serving.running import refuse_running


def test_a_relative_path_is_one_of_the_callers_folder(tmp_path: Path, bundle: str, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine").symlink_to(bundle)
    given = {"bundle": "mine", "uploads": "up", "state": "./state", "webhook_secret_file": "secret"}
    found = located(ServeConfig(**given))
    places = (found.bundle, found.uploads, found.state, found.webhook_secret_file)
    assert places == tuple(str(tmp_path / name) for name in ("mine", "up", "state", "secret"))


def test_a_bundled_bundle_and_a_bucket_keep_their_names():
    found = located(ServeConfig(bundle="kitchen-tiny", state="s3://clipsum/serve"))
    assert (found.bundle, found.state) == ("kitchen-tiny", "s3://clipsum/serve")


@pytest.mark.parametrize(
    ("given", "local"),
    [
        ({"bundle": "mine"}, "mine"),
        ({"state": "s3://a/b"}, "up"),
        ({"shared_files": True}, None),
    ],
)
def test_what_lies_on_this_machine_is_not_for_a_cluster_of_others(tmp_path, bundle, monkeypatch, given, local):
    monkeypatch.chdir(tmp_path)
    Path("mine").symlink_to(bundle)
    found = local_of(local_places(located(ServeConfig(**{"uploads": "up", **given}))))
    assert found == (str(tmp_path / local) if local else None)


def test_what_is_kept_is_for_the_eyes_of_the_service_alone(tmp_path: Path):
    check_places(config := ServeConfig(state=str(tmp_path / "new" / "state")))
    assert stat.S_IMODE((tmp_path / "new" / "state").stat().st_mode) == 0o700
    assert jobs_of(config).submit({"uri": "s3://a/b.mp4"})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["state=/proc/nowhere"], "/proc/nowhere"),
        (["uploads=s3://videos/up"], "give a folder"),
        (["state=/proc/clipsum"], "state '/proc/clipsum' cannot be made"),
        (["webhooks=['app.example']"], "webhook_secret_file"),
        (["webhooks=['app.example']", "webhook_secret_file=/nowhere/secret"], "'/nowhere/secret'"),
    ],
)
def test_a_place_that_will_not_do_is_told_before_the_service_begins(tmp_path, settings, said):
    given = dict(each.split("=", 1) for each in settings)
    if "webhooks" in given:
        given["webhooks"] = ("app.example",)
    with pytest.raises(UsageError, match=said) as refused:
        check_places(located(ServeConfig(**{"state": str(tmp_path), **given})))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            'sources.https=["https://files.example/videos"]',
            "sources.https: host 'https://files.example/videos' is none",
        ),
        ('webhooks=["https://app.example"]', "webhooks: host 'https://app.example' is none"),
        ('webhooks=["app.example", "127.0.0.1:8443"]', "webhooks: host '127.0.0.1:8443' is an internal address"),
        ('sources.https=["LocalHost"]', "sources.https: host 'localhost' is an internal address"),
        ('sources.s3=["videos"]', "sources.s3: 'videos' is no place: write s3://bucket"),
    ],
)
def test_a_source_that_can_name_nothing_is_told_before_ray_starts(monkeypatch, capsys, setting, said):
    monkeypatch.setattr("ray_jobs.cluster.connected", lambda *_: pytest.fail("Ray was started"))
    assert run(["serve", "--set", setting]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("shared", [False, True])
def test_uploads_must_fit_where_the_work_is_done(tmp_path: Path, shared: bool):
    config = ServeConfig(uploads="/proc/clipsum", state=str(tmp_path), shared_files=shared)
    with nullcontext() if shared else pytest.raises(UsageError, match="uploads '/proc/clipsum' cannot be made"):
        check_uploads(config)
    check_places(config)  # asked on the head of a cluster, which may lack the folder that its machines share


def test_the_host_of_a_file_stands_where_the_call_names_none(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("ray_jobs.cluster.connected", lambda *_: pytest.fail("Ray was started"))
    (tmp_path / "serve.toml").write_text('host = "203.0.113.7"')
    assert run(["serve", "--config", str(tmp_path / "serve.toml")]) == 2
    assert "'203.0.113.7' cannot be had" in capsys.readouterr().err


def test_a_second_service_is_told_to_keep_its_jobs_elsewhere(tmp_path):
    with held(str(tmp_path)):
        with pytest.raises(UsageError, match="another service keeps its jobs there"), held(str(tmp_path)):
            pass
        with held(str(tmp_path / "other")):
            pass
    with held(str(tmp_path)):  # the first has gone
        pass


def test_a_ray_whose_proxies_nothing_guards_is_refused(two_cores, monkeypatch):
    refuse_unguarded()
    monkeypatch.setattr(proxy, "CALLBACK", "CLIPSUM_NOT_THERE")
    with pytest.raises(UsageError, match="without CLIPSUM_NOT_THERE=ray_jobs"):
        refuse_unguarded()


def test_a_bundle_that_is_none_is_told_before_ray_starts(monkeypatch, capsys):
    monkeypatch.setattr("ray_jobs.cluster.connected", lambda *_: pytest.fail("Ray was started"))
    assert run(["serve", "--bundle", "kitchen-tinny"]) == 2
    assert "did you mean 'kitchen-tiny'?" in capsys.readouterr().err


def test_a_key_of_the_file_has_its_own_scopes_though_the_environment_has_it_too(tmp_path: Path, monkeypatch):
    secret, key = new_key("boss", ["admin"])
    (tmp_path / "keys.toml").write_text(toml_of(key))
    monkeypatch.setenv(VARIABLE, f"{secret},another-long-secret-word")
    found = keys_for(ServeConfig(keys=str(tmp_path / "keys.toml")))
    assert [each.name for each in found] == ["boss", f"key-{hash_of('another-long-secret-word')[:12]}"]
    assert found[0].scopes == ("admin",)


@pytest.mark.parametrize("is_there", [True, False])
def test_serve_that_runs_already_is_neither_joined_nor_ended(monkeypatch, is_there):
    def get_actor(name, namespace):
        assert (name, namespace) == (SERVE_CONTROLLER_NAME, SERVE_NAMESPACE)
        if not is_there:
            raise ValueError("no such actor")

    monkeypatch.setattr(ray, "get_actor", get_actor)
    with pytest.raises(UsageError, match="runs on this cluster already") if is_there else nullcontext():
        refuse_running()
