"""What makes one Spikformer: its form, image, sizes, each block's settings, its neuron. Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from spikec.errors import UnknownName, UsageError
from spikec.snn.neuron import SPIKFORMER, Convention
from spikec.snn.surrogate import SigmoidSurrogate

FormName = Literal["cifar", "dvs", "imagenet", "digits", "spikingformer"]


@dataclass(frozen=True)
class Form:
    """What the published variants of Spikformer differ in (Zhou et al., ICLR 2023, and its repository); Spikingformer.

    Attributes:
        stem_divisors: width of each stem convolution, as width / divisor.
        pools: the stem stages, from 0, whose LIF a max pool (3x3, stride 2, padding 1) follows.
        tokens: what a token's projections are: 'linear' on [N, D], or a 1x1 'conv1d' on [D, N].
        qkv_bias, bias: whether q, k, v, and the block's other projections, have a bias.
        order: 'qk' computes (q k^T) v, 'kv' computes q (k^T v).
        scale: the attention's scale.
        frames: the input has a time axis of its own; otherwise one image is shown at every step.
        membranes: the neurons stand before the projections, and what is added is what the norms give (Spikingformer);
            otherwise behind them, and spikes are added. Only with 'conv1d'.
    """

    stem_divisors: tuple[int, ...]
    pools: tuple[int, ...]
    tokens: Literal["linear", "conv1d"]
    qkv_bias: bool
    bias: bool
    order: Literal["qk", "kv"]
    scale: float
    frames: bool = False
    membranes: bool = False


FORMS: Mapping[str, Form] = {
    "cifar": Form((8, 4, 2, 1), (2, 3), "linear", qkv_bias=True, bias=True, order="qk", scale=0.125),
    "dvs": Form((8, 4, 2, 1), (0, 1, 2, 3), "conv1d", qkv_bias=False, bias=True, order="qk", scale=0.25, frames=True),
    "imagenet": Form((8, 4, 2, 1), (0, 1, 2, 3), "conv1d", qkv_bias=False, bias=True, order="kv", scale=0.125),
    # Zhou et al. 2023 (arXiv 2304.11954; zhouchenlin2096/Spikingformer), for ImageNet.
    "spikingformer": Form(
        (8, 4, 2, 1), (0, 1, 2, 3), "conv1d", qkv_bias=False, bias=True, order="kv", scale=0.125, membranes=True
    ),
    # Ours, for 8x8 images: three convolutions, and no bias, since a BatchNorm follows every projection.
    "digits": Form((4, 2, 1), (1,), "linear", qkv_bias=False, bias=False, order="qk", scale=0.25),
}


@dataclass(frozen=True)
class SpikformerConfig:
    """One Spikformer. `uniform_config` makes those whose blocks are all alike.

    A block's threshold and tau set the LIFs of its q, k, v, proj, fc1 and fc2; its attention LIF has the
    same tau and fires at half the threshold (0.5 at 1.0, as published). The stem and its RPE use the stem's.

    Attributes:
        form: a key of `FORMS`.
        image: channels, height, width of one input (of one frame for 'dvs').
        classes: width of the head.
        width: embedding dimension D; divisible by the stem's divisors and every block's heads.
        ratios: hidden width of each block's MLP over D, as int(ratio D); as many as there are blocks.
        heads, thresholds, taus: of each block.
        steps: T. For 'dvs' the default only: the input brings its own.
        stem_threshold, stem_tau: of the stem's and the RPE's LIFs.
        attention_scale: what q k^T v is multiplied with.
        pools: the stem stages, from 0, that a max pool follows.
        neuron: the LIF convention of all layers.

    Raises:
        UnknownName: no such form.
        UsageError: sizes that do not divide, or per-block tuples of different lengths.
    """

    form: FormName
    image: tuple[int, int, int]
    classes: int
    width: int
    ratios: tuple[float, ...]
    heads: tuple[int, ...]
    thresholds: tuple[float, ...]
    taus: tuple[float, ...]
    steps: int = 4
    stem_threshold: float = 1.0
    stem_tau: float = 2.0
    attention_scale: float = 0.125
    pools: tuple[int, ...] = (2, 3)
    neuron: Convention = SPIKFORMER

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise UnknownName(self.form, "Spikformer form", FORMS)
        lengths = {len(self.ratios), len(self.heads), len(self.thresholds), len(self.taus)}
        if len(lengths) != 1:
            raise UsageError(
                f"per-block settings of different lengths: {len(self.ratios)} ratios, "
                f"{len(self.heads)} heads, {len(self.thresholds)} thresholds, {len(self.taus)} taus",
                expected="one of each a block",
            )
        if self.steps < 1 or self.classes < 1:
            raise UsageError(f"steps={self.steps}, classes={self.classes}", expected="1 or more of each")
        self._check_division()

    def _check_division(self) -> None:
        """Raises UsageError unless stem, heads and pools divide what they must."""
        for divisor in (*self.layout.stem_divisors, *self.heads):
            if self.width % divisor:
                raise UsageError(
                    f"width {self.width} is no multiple of {divisor}",
                    expected="a width that the stem's divisors and the heads of every block divide",
                )
        factor: int = 2 ** len(self.pools)
        if not set(self.pools) <= set(range(len(self.layout.stem_divisors))):
            raise UsageError(f"pools {self.pools} name no stem stage", expected=f"0 to {len(self.stem_widths) - 1}")
        if any(side % factor or side < factor for side in self.image[1:]):
            raise UsageError(
                f"an image of {self.image[1]}x{self.image[2]} for a stem with {len(self.pools)} pools",
                expected=f"sides that are multiples of {factor}",
            )

    @property
    def layout(self) -> Form:
        """The published variant that this is."""
        return FORMS[self.form]

    @property
    def depth(self) -> int:
        """L, the number of blocks."""
        return len(self.ratios)

    @property
    def stem_widths(self) -> tuple[int, ...]:
        """Output channels of each stem convolution; the last is D."""
        return tuple(self.width // divisor for divisor in self.layout.stem_divisors)

    @property
    def hidden(self) -> tuple[int, ...]:
        """Hidden width of each block's MLP."""
        return tuple(int(ratio * self.width) for ratio in self.ratios)

    @property
    def tokens(self) -> int:
        """N, the number of tokens."""
        factor: int = 2 ** len(self.pools)
        return (self.image[1] // factor) * (self.image[2] // factor)


def uniform_config(
    form: FormName,
    image: tuple[int, int, int],
    classes: int,
    *,
    width: int,
    depth: int,
    heads: int,
    ratio: float = 4.0,
    threshold: float = 1.0,
    tau: float = 2.0,
    steps: int = 4,
    neuron: Convention = SPIKFORMER,
) -> SpikformerConfig:
    """A Spikformer whose blocks are all alike, with the form's own pools and attention scale.

    Raises:
        UnknownName, UsageError: as `SpikformerConfig`.
    """
    if form not in FORMS:
        raise UnknownName(form, "Spikformer form", FORMS)
    return SpikformerConfig(
        form=form,
        image=image,
        classes=classes,
        width=width,
        ratios=(ratio,) * depth,
        heads=(heads,) * depth,
        thresholds=(threshold,) * depth,
        taus=(tau,) * depth,
        steps=steps,
        attention_scale=FORMS[form].scale,
        pools=FORMS[form].pools,
        neuron=neuron,
    )


def config_to_plain(config: SpikformerConfig) -> dict[str, Any]:  # Any: numbers, strings and their tuples
    """`config` as numbers, strings, tuples and dicts, for files; `config_from_plain` turns it back.

    Raises:
        UsageError: its surrogate is not a `SigmoidSurrogate`, the only one that has a plain form.
    """
    if not isinstance(config.neuron.surrogate, SigmoidSurrogate):
        raise UsageError(f"the surrogate {config.neuron.surrogate!r} cannot be saved", expected="a SigmoidSurrogate")
    return asdict(config)


def config_from_plain(plain: Mapping[str, Any]) -> SpikformerConfig:  # Any: as above
    """The config that `config_to_plain` wrote; lists, as JSON has them, count as tuples."""
    fields: dict[str, Any] = {  # Any: as above
        key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()
    }
    neuron = dict(fields.pop("neuron"))
    surrogate = SigmoidSurrogate(**neuron.pop("surrogate"))
    return SpikformerConfig(**fields, neuron=Convention(**neuron, surrogate=surrogate))
