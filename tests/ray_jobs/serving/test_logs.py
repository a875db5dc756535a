"""What the service writes into its logs, read where Ray keeps them: what was done, and nothing that is secret."""

from pathlib import Path

import pytest

from clipsum.serving.keys import hash_of
from tests.ray_jobs.serving.asking import Asking, eventually
from tests.ray_jobs.serving.conftest import WEBHOOK_SECRET

SIGNED = "https://videos.example/a.mp4?X-Amz-Credential=AKIASECRETNAME&X-Amz-Signature=5ec2e7f00d"
NAMED = "https://maria:pa55word@videos.example/a.mp4"
HOOK = "https://hooks.example/services/T0-secret-of-the-hook?token=70ken-of-the-hook"
WORDS = {"query": "what does doctor Quincy prescribe?", "transcript": "the patient is called Zebulon"}
SECRETS = ["AKIASECRETNAME", "5ec2e7f00d", "pa55word", "T0-secret", "70ken-of", "Quincy", "Zebulon", "private-name"]


def files_of(logs: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in logs.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(
    service: Asking, kitchen: Path, bucket: str, logs: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[Path, bytes]:
    """All logs, after requests that go well and requests that go wrong have told the service every kind of secret."""
    private = tmp_path_factory.mktemp("named") / "private-name.mp4"
    private.write_bytes(min(kitchen.glob("*.mp4")).read_bytes() + b"private")
    broken = private.with_name("private-name-2.mp4")
    broken.write_bytes(b"nothing of a video" * 1000)
    statuses = [service.upload(private, **WORDS).status_code, service.upload(broken, **WORDS).status_code]
    statuses += [service.post(json={"uri": uri, **WORDS}).status_code for uri in (SIGNED, NAMED)]
    job = service.post("/v1/jobs", json={"uri": f"{bucket}/open/none.mp4", "webhook": HOOK, **WORDS})
    statuses += [job.status_code, service.get(f"/v1/bundle?key={service.keys['user']}").status_code]
    statuses.append(service.get("/v1/bundle", key=None, headers={"Authorization": "Bearer wr0ng-key"}).status_code)
    assert (statuses[:2], statuses[4:]) == ([200, 415], [202, 200, 401])
    for words in (b"GET /v1/bundle 401", b"does not answer: "):  # the last request; the webhook
        eventually(lambda words=words: any(words in text for text in files_of(logs).values()), 20, str(words))
    return files_of(logs)


def test_the_logs_tell_what_was_asked(written: dict[Path, bytes]) -> None:
    assert any(b"POST /v1/summaries 200" in text for text in written.values())
    assert any(b"POST /v1/jobs 202" in text for text in written.values())


def test_no_log_has_a_key_a_signature_a_webhook_or_what_users_say(service: Asking, written: dict[Path, bytes]) -> None:
    keys = list(service.keys.values())
    secrets = [*SECRETS, *keys, *map(hash_of, keys), WEBHOOK_SECRET, "wr0ng-key"]
    found = {(path.name, secret) for path, text in written.items() for secret in secrets if secret.encode() in text}
    assert found == set()
