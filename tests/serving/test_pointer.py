"""The pointer to the bundle that is served."""

import pytest

from clipsum.errors import ItemError
from clipsum.serving.pointer import BundlePointer, Pointed

SECOND = Pointed("second", "b2")


def test_what_is_moved_is_read_by_all_until_the_service_is_configured_otherwise(tmp_path):
    place = str(tmp_path / "state" / "bundle.json")
    assert BundlePointer(place, "first").read() is None
    BundlePointer(place, "first").move(SECOND)
    assert BundlePointer(place, "first").read() == SECOND
    assert BundlePointer(place, "third").read() is None


@pytest.mark.parametrize("broken", [b"", b"[]", b"{}", b"\xff", b"null"])
def test_a_pointer_that_cannot_be_read_is_a_fault_of_the_store_and_ends_no_replica(tmp_path, broken):
    (tmp_path / "bundle.json").write_bytes(broken)
    with pytest.raises(ItemError) as failed:
        BundlePointer(str(tmp_path / "bundle.json"), "first").read()
    assert failed.value.reason == "storage_error"
