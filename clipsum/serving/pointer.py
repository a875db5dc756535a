"""Which bundle is served: an object in a folder or on `s3://` that every replica looks at, and an admin moves."""

import json
from dataclasses import dataclass
from typing import NamedTuple

from clipsum import storage
from clipsum.errors import ItemError


class Pointed(NamedTuple):
    """The name of a bundle, and which one was there by that name when it was pointed at."""

    bundle: str
    bundle_id: str


@dataclass(frozen=True)
class BundlePointer:
    """`place` is its URI. It holds for as long as the service is configured to begin with the bundle `configured`.

    Its methods may raise ItemError where the store fails.
    """

    place: str
    configured: str

    def read(self) -> Pointed | None:
        """The bundle; None where nobody has moved it since it was configured."""
        try:
            said = json.loads(storage.read_bytes(self.place))
            at = Pointed(str(said["bundle"]), str(said.get("bundle_id", "")))
            return at if said["configured"] == self.configured else None
        except ItemError as error:
            if error.reason == "not_found":
                return None
            raise
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ItemError("storage_error", "open", f"{self.place}: is no pointer to a bundle") from error

    def move(self, at: Pointed) -> None:
        """Serve that from now on."""
        storage.write_bytes(self.place, json.dumps({**at._asdict(), "configured": self.configured}).encode())
