"""What may be asked of a bundle, found out before any work: which questions, and whether it can answer any."""

from collections.abc import Sequence

from clipsum.errors import UsageError
from clipsum.models.manifest import BundleManifest

MAX_QUERIES = 64
MAX_CHARACTERS = 1000


def checked_queries(queries: Sequence[str], manifest: BundleManifest, bundle: str) -> tuple[str, ...]:
    """The questions with single spaces, each once, in order; `bundle`: what the user called it.

    Raises: UsageError for one that is empty or too long, for too many, and where the bundle can answer none.
    """
    asked = tuple(dict.fromkeys(" ".join(query.split()) for query in queries))
    if not asked:
        return ()
    if "" in asked:
        raise UsageError("--query '' asks nothing: give some words, or leave it out")
    if long := next((query for query in asked if len(query) > MAX_CHARACTERS), None):
        raise UsageError(f"--query '{long[:40]}…' has {len(long):,} characters: {MAX_CHARACTERS:,} are the most")
    if len(asked) > MAX_QUERIES:
        raise UsageError(f"--query is given {len(asked)} times: {MAX_QUERIES} are the most in one run")
    if manifest.model.scorer is None:
        raise UsageError(
            f"--query '{asked[0]}': bundle '{bundle}' has no scorer, so it cannot find moments: "
            "leave --query out, or name a --bundle that was trained with one, e.g. clipsum train --recipe clip-it"
        )
    if not has_texts(manifest):
        raise UsageError(
            f"--query '{asked[0]}': the encoder of bundle '{bundle}', {manifest.encoder.kind} '{manifest.encoder.name}'"
            ", has no text in the space of its frames: leave --query out, or name a --bundle with a CLIP"
        )
    return asked


def asked_of(own: str | None, of_all: Sequence[str]) -> tuple[str, ...]:
    """What is asked of one video: what is asked of all, and then its `own` question, if it has one."""
    words = " ".join((own or "").split())
    return (*of_all, *([words] if words and words not in of_all else []))


def has_texts(manifest: BundleManifest) -> bool:
    """Whether the bundle's encoder embeds texts in the space of its frames."""
    return manifest.encoder.kind == "clip"
