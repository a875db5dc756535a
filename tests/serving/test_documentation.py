"""/openapi.json tells of every route, of every answer that it may give, and shows each in an example that is true."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipsum.serving import examples
from clipsum.serving.app import create_app
from clipsum.serving.jobs import JobStore
from clipsum.serving.keys import KeyRing
from clipsum.serving.schemas import (
    BundleCard,
    ErrorBody,
    JobAccepted,
    JobRequest,
    JobStatus,
    JobTold,
    SummaryRequest,
    SummaryRow,
)
from clipsum.serving.sources import Sources
from tests.serving.hostile_app import Nothing

ALWAYS = {"400", "403", "503", "504"}
KEYED = ALWAYS | {"401", "429"}
READING = KEYED | {"413", "415", "422"}
ANSWERS = {
    ("get", "/healthz"): {"200"} | ALWAYS,
    ("get", "/v1/bundle"): {"200"} | KEYED,
    ("put", "/v1/bundle"): {"200"} | READING,
    ("post", "/v1/summaries"): {"200", "404"} | READING,
    ("post", "/v1/jobs"): {"202"} | READING,
    ("get", "/v1/jobs/{job_id}"): {"200", "404"} | KEYED,
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("said")
    return create_app(Nothing(KeyRing(), Sources(), folder, JobStore(str(folder)))).openapi()


def operations(said: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(verb, path): each for path, verbs in said["paths"].items() for verb, each in verbs.items()}


def test_every_route_tells_of_the_answers_that_it_gives_and_of_no_others(said: dict[str, Any]) -> None:
    assert {name: set(each["responses"]) for name, each in operations(said).items()} == ANSWERS
    for name, each in operations(said).items():
        assert ("security" in each) == (name != ("get", "/healthz"))
        assert ("requestBody" in each) == (name[0] != "get")
    assert said["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert "HTTPValidationError" not in json.dumps(said)


def test_every_refusal_has_the_shape_of_all_an_example_and_says_when_to_come_again(said: dict[str, Any]) -> None:
    for each in operations(said).values():
        for status, answer in each["responses"].items():
            content = answer["content"]["application/json"]
            if status < "400":
                assert content["example"]
                continue
            assert content["schema"] == {"$ref": "#/components/schemas/ErrorBody"}
            assert ErrorBody.model_validate(content["example"])
            assert ("Retry-After" in answer.get("headers", {})) == (status in ("429", "503"))


def test_the_examples_are_true_to_their_models(said: dict[str, Any]) -> None:
    for model, example in (
        (SummaryRow, examples.ROW),
        (BundleCard, examples.CARD),
        (JobAccepted, examples.ACCEPTED),
        (JobStatus, examples.JOB),
        (JobTold, examples.TOLD),
    ):
        assert model.model_validate(example, strict=True)
    events = said["paths"]["/v1/summaries"]["post"]["responses"]["200"]["content"]["text/event-stream"]["example"]
    assert [line.removeprefix("event: ") for line in events.splitlines() if line.startswith("event: ")][-1] == "row"
    assert SummaryRow.model_validate_json(events.rstrip().rpartition("data: ")[2])


def test_the_bodies_that_can_be_sent_have_their_fields_and_examples(said: dict[str, Any]) -> None:
    contents = said["paths"]["/v1/summaries"]["post"]["requestBody"]["content"]
    assert SummaryRequest.model_validate(contents["application/json"]["schema"]["examples"][0])
    assert set(contents["multipart/form-data"]["schema"]["properties"]) == {"file", "query", "transcript"}
    job = said["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert JobRequest.model_validate(job["examples"][0])
    assert said["paths"]["/v1/bundle"]["put"]["requestBody"]["content"]["application/json"]["schema"]["examples"]


def test_a_webhook_has_its_body_and_how_it_is_signed(said: dict[str, Any]) -> None:
    told = said["webhooks"]["job"]["post"]
    schema = told["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {"id", "state", "result", "error"}
    assert "#/components/schemas/SummaryRow" in json.dumps(schema)
    assert "SummaryRow" in said["components"]["schemas"]
    assert [each["name"] for each in told["parameters"]] == ["ClipSum-Signature", "Idempotency-Key"]
    assert set(told["responses"]) == {"200"}
