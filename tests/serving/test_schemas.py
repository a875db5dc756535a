"""What is said over HTTP: the contract's fields and no others, and refusals that tell nothing of the machine."""

import base64
import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from clipsum import rows
from clipsum.errors import REASONS, ItemError
from clipsum.records import Failure, Summary, VideoRef
from clipsum.rows import Outcome, Thumbnail
from clipsum.serving import schemas
from clipsum.serving.refusals import RefusedError, refusal_of, refused_reason

REF = VideoRef("s3://videos/a.mp4", "id-a", "v1", 1234)
STATUSES = {400, 401, 403, 404, 413, 415, 422, 429, 503, 504}
EXAMPLES = [
    (model, example)
    for model in (schemas.SummaryRequest, schemas.JobRequest, schemas.ErrorBody, schemas.JobAccepted)
    for example in model.model_config["json_schema_extra"]["examples"]
]


def done():
    jpeg = bytes(range(256))
    return Outcome(REF, summary=Summary("Cut it.", "both"), thumbnails=(Thumbnail(0.5, jpeg),), frame_times_s=(0.5,))


def test_the_answer_has_the_columns_of_a_row_in_their_order():
    assert list(schemas.SummaryRow.model_fields) == rows.SCHEMA.names


def test_a_row_as_json_has_its_values_and_its_pictures_in_base64():
    row = rows.row(replace(done(), frame_exact=(True,)), "b1", "f1")
    said = json.loads(schemas.answer_of(row).model_dump_json())
    [picture] = said.pop("thumbnails")
    assert base64.b64decode(picture["jpeg"], validate=True) == bytes(range(256))
    assert said == {name: value for name, value in row.items() if name != "thumbnails"}


def test_a_failed_row_is_an_answer_too():
    row = rows.row(Outcome(REF, failure=Failure("corrupt", "decode", "no frame")), "b1", "f1")
    assert (schemas.answer_of(row).reason, schemas.answer_of(row).summary) == ("corrupt", None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"uri": ""},
        {"uri": "s3://a/b", "queries": ["x"]},
        {"uri": "s3://a/b", "query": "  "},
        {"uri": "s3://a/b", "query": "x" * 1001},
        {"uri": "s3://a/" + "b" * 4096},
        {"uri": "s3://a/b", "transcript": "x" * 1_000_001},
        {"uri": ["s3://a/b"]},
        {"uri": "s3://a/b", "webhook": "http://a.example/"},
    ],
)
def test_a_request_that_is_not_in_the_contract_is_refused(body):
    with pytest.raises(ValidationError):
        schemas.JobRequest.model_validate(body)


@pytest.mark.parametrize(("model", "example"), EXAMPLES)
def test_the_examples_in_the_documentation_are_valid(model, example):
    assert model.model_validate(example).model_dump(exclude_none=True) == example


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_status_of_the_contract_and_is_asked_again_only_where_that_helps(reason):
    refused = refused_reason(reason)
    assert refused.status in STATUSES
    assert ("Retry-After" in refused.headers) == (refused.status == 503)
    assert schemas.ErrorBody.model_validate(refused.body).error.reason == reason
    assert (refused.status == 503) == (reason in ("worker_died", "storage_error"))


def test_a_refusal_tells_no_path_and_no_key():
    secret = "/srv/uploads/0f.mp4 s3://private AKIA123"
    for error in (ItemError("corrupt", "decode", secret), RuntimeError(secret), KeyError(secret)):
        said = json.dumps(refusal_of(error).body)
        assert not any(word in said for word in secret.split())


def test_a_refusal_says_when_to_ask_again_in_whole_seconds_and_keeps_it_across_processes():
    import pickle

    refused = pickle.loads(pickle.dumps(RefusedError(429, "rate_limited", "slower", 0.2)))
    assert (refused.status, refused.headers) == (429, {"Retry-After": "1"})
    assert RefusedError(401, "unauthorized", "bring a key").headers == {"WWW-Authenticate": "Bearer"}
