"""What a ClipSum model is made of. An ablation is a difference of two of these."""

from typing import Literal

from pydantic import Field, model_validator

from clipsum.config import Config

FusionName = Literal["concat", "gated", "residual"]
TextOrigin = Literal["query", "transcript", "summary"]


class Generation(Config):
    """Overrides of the checkpoint's generation settings; None keeps the checkpoint's own value.

    `max_tokens` counts every token of the summary, `<s>` and `</s>` too. `no_repeat_ngram_size` 0 lifts that ban.
    """

    num_beams: int | None = Field(default=5, ge=1)
    no_repeat_ngram_size: int | None = Field(default=3, ge=0)
    max_tokens: int = Field(default=128, ge=2)
    min_length: int | None = Field(default=None, ge=0)
    length_penalty: float | None = None
    early_stopping: bool | None = None


class ScorerConfig(Config):
    """The head that scores frames: attention to the texts that guide it, then `layers` transformer layers over frames.

    `width`: None means that of the frame states. `attention` of those layers: None means the temporal encoder's.
    Dropout and the radius of local attention are the model's. `match_threshold`: a query is answered in a video where
    the greatest score of a frame reaches it; calibrated on validation videos; None: nobody has, so nothing is said.
    `origins`: where the texts were from that it learned to be guided by; None: nobody wrote it down. No other sentences
    guide it in use; a query that it never learned to follow is answered by CLIP's own cosine.
    Ours, beside the published model: `similarity`: a query's cosine with each frame joins the score; `contrast`: what
    sets a frame apart from its neighbours does, before the temporal encoder blends them.
    """

    layers: int = Field(default=2, ge=0)
    heads: int = Field(default=4, ge=1)
    ffn: int = Field(default=1024, ge=1)
    width: int | None = Field(default=None, ge=1)
    attention: Literal["global", "local"] | None = None
    similarity: bool = True
    contrast: bool = True
    match_threshold: float | None = Field(default=None, ge=0, le=1)
    origins: tuple[TextOrigin, ...] | None = None

    def learned(self, origin: TextOrigin) -> bool:
        """Whether a text from there may guide it."""
        return self.origins is None or origin in self.origins


class ModelConfig(Config):
    """One model. BART's own sizes live in the checkpoint's configuration.

    `visual_width`: width of the frame embeddings that go in; any encoder's.
    `temporal_layers`: 0 leaves the temporal encoder and its positions out: frames are then a set without order.
    `temporal_width`: None means `visual_width`; another value puts a projection before the temporal encoder.
    `positions`: "time": learned positions read at t / duration; "index": one for each frame's rank, as VideoXum has it.
    `temporal_norm`, `temporal_activation`: of its layers: torch's default, or VideoXum's "pre" and "gelu".
    `attention`: of the temporal encoder; "local": a frame sees `attention_radius` frames on either side, in O(T * k).
    `aggregation`: after those layers, one more local attention of that radius (VideoXum's), which both heads read.
    `fusion_after_layer`: BART encoder layer after which text meets frames, counted from 1; None means all but one.
    `context`: "text": the decoder sees fused text states; "append": the projected frame states too. In the one layer
    of BART that comes after, memory stays O(T) all the same, time is O(T²): 20,000 frames at 96 wide take 3 CPU s.
    `cross_attention`: between words and frames; "local": where sentences carry times, a frame attends to those within
    its window (`attention_radius` frames on either side), and a sentence to its frames.
    `scorer`: the head that scores frames; None: the model has none.
    `text_over_limit`: how a text of more than `max_text_tokens` (`<s>` and `</s>` among them) is shortened.
    """

    visual_width: int = Field(default=512, ge=1)
    temporal_layers: int = Field(default=2, ge=0)
    temporal_heads: int = Field(default=4, ge=1)
    temporal_ffn: int = Field(default=1024, ge=1)
    temporal_width: int | None = Field(default=None, ge=1)
    temporal_positions: int = Field(default=50, ge=2)
    temporal_norm: Literal["post", "pre"] = "post"
    temporal_activation: Literal["relu", "gelu"] = "relu"
    positions: Literal["time", "index"] = "time"
    attention: Literal["global", "local"] = "global"
    attention_radius: int = Field(default=2, ge=0)
    aggregation: bool = False
    cross_attention: Literal["global", "local"] = "global"
    fusion: FusionName = "concat"
    fusion_after_layer: int | None = Field(default=None, ge=1)
    context: Literal["text", "append"] = "text"
    dropout: float = Field(default=0.1, ge=0, lt=1)
    max_text_tokens: int = Field(default=512, ge=3)
    text_over_limit: Literal["spread", "truncate"] = "spread"
    generation: Generation = Generation()
    scorer: ScorerConfig | None = None

    @property
    def state_width(self) -> int:
        """Width of the frame states that the projection into BART takes."""
        return self.temporal_width or self.visual_width

    @model_validator(mode="after")
    def _heads_divide(self) -> "ModelConfig":
        if self.aggregation and not self.temporal_layers:
            raise ValueError(
                "aggregation=true comes after temporal layers, temporal_layers=0 has none: set both or neither"
            )
        if self.temporal_layers and self.state_width % self.temporal_heads:
            raise ValueError(
                f"temporal width {self.state_width} is not a multiple of temporal_heads={self.temporal_heads}: "
                "set temporal_width to one that is"
            )
        if self.scorer and (width := self.scorer.width or self.state_width) % self.scorer.heads:
            raise ValueError(
                f"scorer width {width} is not a multiple of scorer.heads={self.scorer.heads}: "
                "set scorer.width to one that is"
            )
        return self

    def fusion_layer(self, encoder_layers: int) -> int:
        """The layer (from 1) after which to fuse, in a BART with `encoder_layers`. Raises: ValueError, out of range."""
        last = encoder_layers - 1 if self.context == "append" else encoder_layers
        layer = self.fusion_after_layer or max(1, encoder_layers - 1)
        if layer > last:
            raise ValueError(
                f"fusion_after_layer={layer} is past layer {last}: context '{self.context}' and a BART of "
                f"{encoder_layers} encoder layers allow 1 to {last}"
            )
        return layer
