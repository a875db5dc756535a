"""The configuration of the service: the file for clusters, and what follows for each deployment."""

import socket
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from ray.serve.schema import ServeDeploySchema

from clipsum.errors import UsageError
from clipsum.serving.keys import VARIABLE
from ray_jobs.cli import run
from ray_jobs.pools import Machine
from ray_jobs.serving import app as serve_app
from ray_jobs.serving.config import ServeConfig, admitted, options
from ray_jobs.serving.proxy import environment

FILE = Path(__file__).parents[3] / "cluster" / "serve.yaml"
MACHINES = [Machine(2), Machine(16, 1), Machine(96, 8, 12)]


def unknown(said: Any, model: Any, path: str = "") -> list[str]:
    """The keys of `said` that `model` does not declare: Ray passes over them without a word."""
    models = [model, *get_args(model)]
    declared = next((each for each in models if isinstance(each, type) and issubclass(each, BaseModel)), None)
    if isinstance(said, list):
        return [key for each in said for key in unknown(each, declared, path)]
    if not isinstance(said, dict) or declared is None:
        return []
    fields = declared.model_fields
    known = {key: value for key, value in said.items() if key in fields}
    below = [name for key in known for name in unknown(known[key], fields[key].annotation, f"{path}.{key}")]
    return [*(f"{path}.{key}" for key in said if key not in fields), *below]


@pytest.fixture
def written() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text())


def test_the_file_for_clusters_says_only_what_ray_and_the_application_know(written):
    ServeDeploySchema.model_validate(written)
    assert unknown(written, ServeDeploySchema) == []
    [application] = written["applications"]
    config = ServeConfig.model_validate(application["args"])
    assert written["http_options"]["request_timeout_s"] > config.deadline_s
    module, _, name = application["import_path"].partition(":")
    assert (module, getattr(serve_app, name)) == (serve_app.__name__, serve_app.build)


def test_the_file_for_clusters_names_all_that_must_be_there_when_ray_starts():
    named = [line for line in FILE.read_text().splitlines() if line.startswith("#   ")]
    for name, value in environment().items():
        said = [f"{name}={value}", f"{name} "]  # the second where it follows from a setting
        assert any(each.removeprefix("#   ").startswith(tuple(said)) for each in named), name


def test_a_mistyped_field_is_found(written):
    written["applications"][0]["route_prefx"] = "/"
    written["http_options"]["prt"] = 1
    assert unknown(written, ServeDeploySchema) == [".http_options.prt", ".applications.route_prefx"]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_replicas_that_are_always_there_fit_the_machine(machine):
    parts = [options(ServeConfig(), part, machine) for part in ("ingress", "decode", "summarize")]
    for resource, there in (("num_cpus", machine.cores), ("num_gpus", machine.gpus)):
        assert sum(each["ray_actor_options"][resource] for each in parts) <= there
    assert all(each["autoscaling_config"]["max_replicas"] >= 1 for each in parts)


@pytest.mark.parametrize("ingresses", [1, 3, 8])
def test_all_ingresses_at_their_most_let_in_what_the_service_may_hold(ingresses):
    config = ServeConfig(most_requests=100, ingress={"max_replicas": ingresses})
    assert 100 - ingresses < ingresses * admitted(config, MACHINES[1]) <= 100
    chosen = options(config, "ingress", MACHINES[1])
    assert chosen["max_ongoing_requests"] > admitted(config, MACHINES[1])  # it says no itself


def test_without_keys_the_service_is_on_loopback_only(monkeypatch, capsys):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UsageError, match="no key"):
        serve_app.build(ServeConfig(host="0.0.0.0"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "most_request=3"], "did you mean 'most_requests'?"),
        (["--set", "keys=/nowhere.toml"], "/nowhere.toml"),
        (["--bundle", "kitchen-tinny"], "kitchen-tinny"),
        (["--port", "0"], "--port"),
    ],
)
def test_a_wrong_call_is_told_in_one_line(two_cores, capsys, words, said):
    assert run(["serve", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_told_in_one_line(two_cores, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run(["serve", "--port", str(taken.getsockname()[1])]) == 2
    assert "is taken" in capsys.readouterr().err
