"""One real service for the tests of this folder: Ray Serve on this machine, a tiny bundle, keys of every scope."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import serve

from clipsum import storage
from clipsum.config import Limits, Sampling
from clipsum.models.config import ScorerConfig
from clipsum.serving.keys import new_key, toml_of
from clipsum.storage.s3_client import client
from ray_jobs.serving import app as serve_app
from ray_jobs.serving.bundle import described
from ray_jobs.serving.config import ServeConfig, options
from ray_jobs.serving.proxy import start
from ray_jobs.stages import StageSettings
from tests.models.tiny import tiny_model, write_bundle
from tests.ray_jobs.conftest import UPLOAD_BYTES
from tests.ray_jobs.serving.asking import Asking
from tests.ray_jobs.serving.slow_video import write_slow_video
from tests.s3_server import SwiftServer

MOST_REQUESTS = 12
HELD_S = 600.0
WEBHOOK_SECRET = "whsec-what-webhooks-are-signed-with"


@pytest.fixture(scope="session")
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="package")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A bundle with random weights that scores frames too."""
    folder = tmp_path_factory.mktemp("scoring")
    model = tiny_model(scorer=ScorerConfig(ffn=48, match_threshold=0.5))
    write_bundle(str(folder / "bundle"), folder / "clip", sampling=Sampling(frames=12), model=model)
    return str(folder / "bundle")


@pytest.fixture(scope="package")
def settings(bundle: str) -> StageSettings:
    """What the parts of a service are told of the bundle."""
    return StageSettings(**described(bundle), limits=Limits(), thumbnails=0)


@pytest.fixture(scope="package")
def bucket(s3_server: SwiftServer, kitchen: Path) -> str:
    """A bucket with the kitchen's videos, of which the service may read those below `open/`."""
    name = s3_server.next_bucket()
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in s3_server.environment.items():
            patch.setenv(variable, value)
        client().create_bucket(Bucket=name)
        for place in ("open", "closed"):
            for file in kitchen.glob("*.mp4"):
                storage.upload(file, f"s3://{name}/{place}/{file.name}")
    return f"s3://{name}"


@pytest.fixture(scope="package")
def service(
    two_cores: None,
    bundle: str,
    bucket: str,
    s3_server: SwiftServer,
    free_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Asking]:
    folder = tmp_path_factory.mktemp("service")
    config = ServeConfig(
        bundle=bundle,
        host="127.0.0.1",
        keys=str(folder / "keys.toml"),
        sources={"s3": (f"{bucket}/open",), "https": ("videos.example",)},
        limits={"max_duration_s": 120, "max_bytes": 2**24, "max_pixels_per_frame": 640 * 480, "deadline_s": 20},
        deadline_s=30,
        upload_bytes=UPLOAD_BYTES,
        uploads=str(folder / "uploads"),
        state=str(folder / "state"),
        webhooks=("hooks.example",),
        webhook_secret_file=str(folder / "webhook-secret"),
        watch_s=0.2,
        drain_s=5,
        most_requests=MOST_REQUESTS,
        ingress={"max_replicas": 1},
        decode={"max_replicas": 1},
        summarize={"max_replicas": 1},
    )
    (folder / "webhook-secret").write_text(WEBHOOK_SECRET)
    keys = {name: write_key(folder / "keys.toml", name) for name in ("user", "admin", "slow")}
    start("127.0.0.1", free_port, config.deadline_s)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serve_app, "options", partial(with_environment, s3_server.environment))
        serve.run(serve_app.build(config), name="clipsum", route_prefix="/")
    yield Asking(f"http://127.0.0.1:{free_port}", keys, config)
    serve.shutdown()


@pytest.fixture
def beside(service: Asking, tmp_path: Path) -> Callable[..., Any]:
    """Another application beside the service, at its own address."""

    @contextmanager
    def run(**settings: Any) -> Iterator[str]:
        usual = {
            "bundle": service.config.bundle,
            "host": "127.0.0.1",
            "state": str(tmp_path / "state"),
            "uploads": str(tmp_path / "uploads"),
            "watch_s": 0.2,
            "deadline_s": HELD_S,
            "decode": {"max_replicas": 1},
            "summarize": {"max_replicas": 1},
        }
        config = ServeConfig.model_validate(usual | settings)
        serve.run(serve_app.build(config), name="beside", route_prefix="/beside")
        try:
            yield f"{service.url}/beside"
        finally:
            serve.delete("beside")

    return run


def with_environment(environment: dict[str, str], *given: Any) -> dict[str, Any]:
    """The options of a deployment whose replicas also have `environment`: Ray was started before it was known."""
    chosen = options(*given)
    chosen["ray_actor_options"]["runtime_env"] = {"env_vars": environment}
    return chosen


@pytest.fixture(scope="session")
def logs(two_cores: None) -> Path:
    """The folder of all that Ray, Serve and the replicas write."""
    return Path(ray._private.worker._global_node.get_logs_dir_path())


@pytest.fixture(scope="session")
def slow_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slow_video(tmp_path_factory.mktemp("slow") / "slow.mp4")


def write_key(path: Path, name: str) -> str:
    """Add a key to a file of keys: `user` and `admin` may ask as often as they like, `slow` twice."""
    scopes = ("summarize", "jobs", "admin") if name == "admin" else ("summarize", "jobs")
    secret, key = new_key(name, scopes)
    rate = {"per_minute": 1.0, "burst": 2} if name == "slow" else {"per_minute": 1e6, "burst": 10_000}
    with path.open("a") as file:
        file.write(toml_of(key.model_copy(update=rate)))
    return secret
