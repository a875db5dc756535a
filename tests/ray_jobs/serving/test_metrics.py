"""What is counted: every name that the dashboard draws against a live scrape, and what the figures say."""

import json
import re
import time
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import ray
import requests

from ray_jobs.serving import ingress as serve_ingress
from ray_jobs.serving.census import Census
from ray_jobs.serving.ingress import Ingress
from tests.loops import run
from tests.ray_jobs.serving.asking import Asking

DASHBOARD = Path(__file__).parents[3] / "cluster" / "grafana" / "clipsum.json"
METRIC = re.compile(r"\bray_\w+")
LABEL = re.compile(r"(\w+)\s*(?:=|!=|=~)\s*\"([^\"]*)\"")
DEADLINE_S = 45.0
Samples = dict[str, list[tuple[dict[str, str], float]]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def scrape() -> Samples:
    found: Samples = {}
    for node in ray.nodes():
        text = requests.get(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics", timeout=10).text
        for line in text.splitlines():
            sample = re.fullmatch(r"(ray_(?:clipsum_)?serve\w+)\{(.*)\} (\S+)", line)
            if sample:
                labels = dict(re.findall(r'(\w+)="([^"]*)"', sample[2]))
                found.setdefault(sample[1], []).append((labels, float(sample[3])))
    return found


@pytest.fixture(scope="module")
def scraped(service: Asking, kitchen: Path, tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """All that was seen in scrapes after requests of every kind; gauges come and go with what they tell of."""
    broken = tmp_path_factory.mktemp("broken") / "no.mp4"
    broken.write_bytes(b"nothing of a video" * 1000)
    video = min(kitchen.glob("*.mp4"))
    statuses = [service.upload(video).status_code for _ in range(3)]
    statuses += [service.upload(broken).status_code, service.post(key=None, json={}).status_code]
    assert statuses == [200, 200, 200, 415, 401]
    wanted = {name for expression in expressions() for name in METRIC.findall(expression)}
    seen: Samples = {}
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        seen |= scrape()
        if wanted <= seen.keys() and summed(seen, "ray_clipsum_serve_requests_total", status="401"):
            return seen
        time.sleep(0.5)
    pytest.fail(f"never scraped: {sorted(wanted - seen.keys())}")


def summed(samples: Samples, name: str, **labels: str) -> float:
    return sum(value for own, value in samples.get(name, []) if labels.items() <= own.items())


def test_every_metric_of_the_dashboard_is_scraped_with_the_labels_that_it_is_asked_for(scraped: Samples) -> None:
    for expression in expressions():
        for name, chosen in re.findall(r"\b(ray_\w+)(?:\{([^}]*)\})?", expression):
            assert name in scraped
            keys = {key for own, _ in scraped[name] for key in own}
            for label, value in LABEL.findall(chosen):
                assert label in keys, f"{name} has no label {label}"
                if "!=" not in chosen and label in ("application", "route"):
                    assert value in {own[label] for own, _ in scraped[name]}, f"{name}: no {label} is {value}"
        for label in ",".join(re.findall(r"by \(([^)]*)\)", expression)).replace(" ", "").split(","):
            names = METRIC.findall(expression)
            assert not label or any(label in own for name in names for own, _ in scraped[name]), (label, expression)


def test_what_we_count_is_all_on_the_dashboard(scraped: Samples) -> None:
    ours = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in scraped if name.startswith("ray_clipsum_")}
    drawn = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in METRIC.findall(" ".join(expressions()))}
    assert len(ours) == 8
    assert ours <= drawn


def test_the_figures_say_what_was_asked(scraped: Samples) -> None:
    requests_of = "ray_clipsum_serve_requests_total"
    assert summed(scraped, requests_of, route="/v1/summaries", status="200") >= 3
    assert summed(scraped, requests_of, route="/v1/summaries", status="415") >= 1
    assert summed(scraped, requests_of, route="/v1/summaries", status="401") >= 1
    assert summed(scraped, "ray_clipsum_serve_stages_total", stage="decode", outcome="not_a_video") >= 1
    assert summed(scraped, "ray_clipsum_serve_stages_total", stage="summarize", outcome="ok") >= 3
    assert summed(scraped, "ray_clipsum_serve_cache_asked_total", result="hit") >= 2
    assert summed(scraped, "ray_clipsum_serve_cache_bytes") > 1000
    seconds, times = (
        summed(scraped, f"ray_clipsum_serve_stage_seconds_{part}", stage="decode") for part in ("sum", "count")
    )
    assert 0 < seconds / times < 20


def test_the_dashboard_is_whole_and_nothing_of_it_lies_on_another() -> None:
    board = json.loads(DASHBOARD.read_text())
    places = [panel["gridPos"] for panel in board["panels"]]
    assert len({panel["id"] for panel in board["panels"]}) == len(places)
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    sources = {json.dumps(target["datasource"]) for panel in panels() for target in [panel, *panel["targets"]]}
    assert sources == {'{"type": "prometheus", "uid": "${source}"}'}
    assert [variable["name"] for variable in board["templating"]["list"]] == ["source"]
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")")


def test_what_an_ingress_holds_is_told_between_answers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray forgets a gauge that is not set again and again."""
    monkeypatch.setattr(serve_ingress, "census", lambda: Census(1, 1, 1))
    ingress = MagicMock()
    run(Ingress._count(ingress))
    ingress._meters.inside.assert_called_once()
    ingress._graph.count_cache.assert_called_once()
