"""run.json: what was written is found again, and what cannot be had for a moment is not taken for nothing."""

import pytest

from clipsum import storage
from clipsum.errors import ItemError
from ray_jobs import run_record


def test_there_is_no_record_where_nothing_or_something_broken_lies(tmp_path):
    assert run_record.read(str(tmp_path)) is None
    for broken in (b"", b"{", b"[]", b'{"schema_version": 99}'):
        storage.write_bytes(str(tmp_path / "run.json"), broken)
        assert run_record.read(str(tmp_path)) is None
    run_record.write(str(tmp_path), {"schema_version": run_record.SCHEMA_VERSION, "run_id": "a"})
    assert run_record.read(str(tmp_path))["run_id"] == "a"


def test_a_record_that_cannot_be_fetched_is_an_error_and_no_new_run(tmp_path, monkeypatch):
    def away(uri):
        raise ItemError("storage_error", "open", f"{uri}: HTTP 503")

    run_record.write(str(tmp_path), {"schema_version": run_record.SCHEMA_VERSION, "run_id": "a"})
    monkeypatch.setattr("clipsum.storage.local.read_bytes", away)
    with pytest.raises(ItemError, match="HTTP 503"):
        run_record.read(str(tmp_path))
