"""Which bundle is served: an object in a folder or on `s3://` that every replica looks at, and an admin moves."""

import json
from dataclasses import dataclass

from clipsum import storage
from clipsum.errors import ItemError


@dataclass(frozen=True)
class BundlePointer:
    """`place` is its URI. It holds for as long as the service is configured to begin with the bundle `configured`.

    Its methods may raise ItemError where the store fails.
    """

    place: str
    configured: str

    def read(self) -> str | None:
        """The name of the bundle; None where nobody has moved it since it was configured."""
        try:
            said = json.loads(storage.read_bytes(self.place))
        except ItemError as error:
            if error.reason == "not_found":
                return None
            raise
        return str(said["bundle"]) if said["configured"] == self.configured else None

    def move(self, bundle: str) -> None:
        """Serve `bundle` from now on."""
        storage.write_bytes(self.place, json.dumps({"bundle": bundle, "configured": self.configured}).encode())
