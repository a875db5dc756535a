"""The pointer to the bundle that is served."""

from clipsum.serving.pointer import BundlePointer


def test_what_is_moved_is_read_by_all_until_the_service_is_configured_otherwise(tmp_path):
    place = str(tmp_path / "state" / "bundle.json")
    assert BundlePointer(place, "first").read() is None
    BundlePointer(place, "first").move("second")
    assert BundlePointer(place, "first").read() == "second"
    assert BundlePointer(place, "third").read() is None
