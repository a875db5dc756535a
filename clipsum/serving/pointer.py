"""Which bundle is served: an object in a folder or on `s3://` that every replica looks at, and an admin moves."""

import json
from dataclasses import dataclass

from clipsum import storage
from clipsum.errors import ItemError


@dataclass(frozen=True)
class BundlePointer:
    """`place` is its URI. Its methods may raise ItemError where the store fails."""

    place: str

    def read(self) -> str | None:
        """The name of the bundle; None where nobody has moved it yet."""
        try:
            name: str = json.loads(storage.read_bytes(self.place))["bundle"]
        except ItemError as error:
            if error.reason == "not_found":
                return None
            raise
        return name

    def move(self, bundle: str) -> None:
        """Serve `bundle` from now on."""
        storage.write_bytes(self.place, json.dumps({"bundle": bundle}).encode())
