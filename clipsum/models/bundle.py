"""The bundle: one folder, local or on S3, with all that turns frames and words into a summary.

    bundle.json         what it is, and the sha256 of each file below; written last, so it marks the bundle as whole
    model.safetensors   temporal encoder, fusion and BART
    bart/               BART's configuration and generation settings
    tokenizer/          BART's tokenizer
    encoder/            the frame encoder in its own layout, unless it is fetched by name and tag
    README.md           the model card

Reading one runs no pickle and no code of its own. The libraries of its parts are loaded with the parts: torch and
transformers with the model, open_clip or another with the encoder, none of them to read and check a bundle.
"""

import hashlib
import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from safetensors import SafetensorError

from clipsum import storage
from clipsum.config import DEFAULT_BUNDLE, Sampling, Seek
from clipsum.encoders.base import EncoderSpec, FrameEncoder, Precision
from clipsum.encoders.load import load_encoder
from clipsum.errors import ItemError, UsageError, one_of, refused
from clipsum.models.bundle_cache import cached
from clipsum.models.manifest import ENCODER, BundleManifest, bundle_id, parse_manifest

if TYPE_CHECKING:
    from torch import Tensor

    from clipsum.models.summarizer import ClipSum

BUNDLED = Path(__file__).parent.parent / "bundles"
MANIFEST = "bundle.json"
MAX_SAID = 300  # letters of what a library says of files that do not fit: it may list every tensor


@dataclass(frozen=True)
class Bundle:
    """A bundle on this machine, every file checked against its manifest. Model and tokenizer load when first used."""

    folder: Path
    manifest: BundleManifest
    bundle_id: str

    @cached_property
    def model(self) -> "ClipSum":
        """The model on the CPU, in evaluation mode. Raises: UsageError where the weights are not of this model."""
        with self._fitting("model.safetensors"):
            return self._model()

    def _model(self) -> "ClipSum":
        from safetensors.torch import load_file
        from transformers import BartConfig, BartForConditionalGeneration, GenerationConfig

        from clipsum.models.summarizer import ClipSum

        bart = BartForConditionalGeneration(BartConfig.from_pretrained(self.folder / "bart"))
        bart.generation_config = GenerationConfig.from_pretrained(self.folder / "bart")
        model = ClipSum(self.manifest.model, bart)
        missing, unknown = model.load_state_dict(load_file(self.folder / "model.safetensors"), strict=False)
        if unknown or set(missing) & _weights(model).keys():
            raise ValueError(f"tensors that are unknown or missing, the first: {(unknown or missing)[0]}")
        return model.eval()

    @cached_property
    def tokenizer(self) -> Any:
        """BART's tokenizer. Raises: UsageError where its files make none."""
        from transformers import AutoTokenizer

        with self._fitting("tokenizer"):
            return AutoTokenizer.from_pretrained(
                str(self.folder / "tokenizer"), local_files_only=True, trust_remote_code=False
            )

    def encoder(self, device: str = "cpu", precision: Precision = "auto") -> FrameEncoder:
        """The frozen frame encoder. Raises: UsageError where its fingerprint is not the manifest's."""
        return load_encoder(self.encoder_spec, device, precision)

    def name_elsewhere(self, given: str) -> str:
        """What this bundle, which was loaded as `given`, is called on every machine that can have it.

        A bundled one goes by its name, for it lies elsewhere there; a folder by its whole path.
        """
        if storage.is_s3(given):
            return given
        return self.folder.name if self.folder.parent == BUNDLED else str(self.folder.absolute())

    @property
    def encoder_spec(self) -> EncoderSpec:
        """Which encoder it is; weights that the bundle carries by their place on this machine."""
        spec = self.manifest.encoder
        if spec.weights is None:
            return spec
        return spec.model_copy(update={"weights": str(self.folder / spec.weights)})

    @contextmanager
    def _fitting(self, what: str) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError, TypeError, KeyError, OSError, SafetensorError) as error:
            said = " ".join(str(error).split())
            line = said if len(said) <= MAX_SAID else f"{said[:MAX_SAID]} …"
            raise UsageError(f"bundle '{self.folder}': {what} does not fit its configuration: {line}") from error


def read_manifest(name: str) -> tuple[BundleManifest, str]:
    """Manifest and bundle id, without the weights; `name` as in `load_bundle`. Raises: UsageError."""
    place = _place(name)
    data = _read(storage.join(place, MANIFEST), name)
    return parse_manifest(data, name), bundle_id(data)


def name_elsewhere(name: str) -> str:
    """As `Bundle.name_elsewhere`, without a look inside. Raises: UsageError where there is no such place."""
    place = _place(name)
    return name if storage.is_s3(name) or place == str(BUNDLED / name) else str(Path(place).absolute())


def load_bundle(name: str = DEFAULT_BUNDLE) -> Bundle:
    """A bundle by the name of a bundled one, by folder, or by `s3://` place (kept in a cache by its id).

    Raises: UsageError, one line: unknown, of another schema version, incomplete or altered.
    """
    place = _place(name)
    manifest, identity = read_manifest(name)
    if storage.is_s3(place):
        return Bundle(_fetch(place, manifest, identity, name), manifest, identity)
    if fault := _fault(Path(place), manifest):
        raise UsageError(f"bundle '{name}' {fault}")
    return Bundle(Path(place), manifest, identity)


class EncoderFiles(Protocol):
    """What a bundle carries of a frame encoder; every `FrameEncoder` is one."""

    @property
    def spec(self) -> EncoderSpec:
        """Which encoder it is."""

    def save(self, folder: Path) -> None:
        """Write its files; asked for only where the encoder is not fetched by name and tag."""


@dataclass(frozen=True)
class CarriedEncoder:
    """The encoder of another bundle, its files copied as they are: none of its weights is loaded."""

    bundle: Bundle

    @property
    def spec(self) -> EncoderSpec:
        """As in that bundle."""
        return self.bundle.manifest.encoder

    def save(self, folder: Path) -> None:
        """Copy its files."""
        shutil.copytree(self.bundle.folder / str(self.spec.weights), folder)


def save_bundle(
    place: str,
    *,
    model: "ClipSum",
    tokenizer: Any,
    encoder: EncoderFiles,
    sampling: Sampling,
    seek: Seek,
    card: str,
    trained_on: str,
    git_revision: str,
    metrics: dict[str, float] | None = None,
) -> str:
    """Write a bundle to a folder or an `s3://` prefix; returns its id. An encoder without a tag goes in whole.

    `card`: the model card, Markdown. A metric that is NaN was not measured and is left out. `bundle.json` comes last:
    until it is there, there is no bundle. Raises: ItemError from the store.
    """
    from safetensors.torch import save_file

    spec = encoder.spec
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        save_file(_weights(model), folder / "model.safetensors")
        model.bart.config.save_pretrained(folder / "bart")
        # Not by save_pretrained, which refuses some settings that published checkpoints have.
        model.bart.generation_config.to_json_file(folder / "bart" / "generation_config.json")
        tokenizer.save_pretrained(str(folder / "tokenizer"))
        (folder / "README.md").write_text(card)
        if spec.weights is not None:
            encoder.save(folder / ENCODER)
            spec = spec.model_copy(update={"weights": ENCODER})
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        manifest = BundleManifest(
            encoder=spec,
            sampling=sampling,
            seek=seek,
            model=model.config,
            metrics={name: value for name, value in (metrics or {}).items() if math.isfinite(value)},
            trained_on=trained_on,
            git_revision=git_revision,
            files={file: _sha256(folder / file) for file in files},
        )
        data = (manifest.model_dump_json(indent=2) + "\n").encode()
        storage.delete(storage.join(place, MANIFEST))
        for file in files:
            storage.upload(folder / file, storage.join(place, file))
        storage.write_bytes(storage.join(place, MANIFEST), data)
    return bundle_id(data)


def _weights(model: "ClipSum") -> "dict[str, Tensor]":
    """Every tensor once: BART's embeddings go by several names. The same weights always make the same bytes."""
    seen: set[int] = set()
    weights = {}
    for name, tensor in sorted(model.state_dict().items()):
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            weights[name] = tensor.contiguous()
    return weights


def _place(name: str) -> str:
    """Folder or `s3://` prefix. A bundled name wins over a folder here of the same name."""
    if storage.is_s3(name):
        return name
    if (BUNDLED / name / MANIFEST).is_file():
        return str(BUNDLED / name)
    if Path(name).is_dir():
        return name
    bundled = sorted(path.parent.name for path in BUNDLED.glob(f"*/{MANIFEST}"))
    raise one_of(name, [*bundled, "a folder", "s3://…"], "bundle")


def _read(uri: str, name: str) -> bytes:
    try:
        return storage.read_bytes(uri)
    except ItemError as error:
        raise refused(f"bundle '{name}' cannot be read, name a folder with {MANIFEST}", error) from error


def _fetch(place: str, manifest: BundleManifest, identity: str, name: str) -> Path:
    """A bundle from S3 in this user's cache, where nothing comes that is not what its manifest says."""

    def fill(folder: Path) -> None:
        for file in (*manifest.files, MANIFEST):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            try:
                storage.download(storage.join(place, file), folder / file)
            except ItemError as error:
                raise refused(f"bundle '{name}' lacks its file '{file}'", error) from error
        if fault := _fault(folder, manifest):
            raise UsageError(f"bundle '{name}' {fault}")

    return cached(identity, fill, lambda folder: not _fault(folder, manifest))


def _fault(folder: Path, manifest: BundleManifest) -> str:
    """What is not as the manifest says, after the words "bundle X"; "" where all is."""
    for file, expected in manifest.files.items():
        if not (folder / file).is_file():
            return f"lacks its file '{file}': copy or train it again"
        if (found := _sha256(folder / file)) != expected:
            return (
                f"is not whole: file '{file}' has sha256 {found[:16]}, bundle.json says {expected[:16]}: "
                "it was altered, or is being copied: copy it again, or wait for the copy to end"
            )
    return ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
