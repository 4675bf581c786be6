"""Published Spikformers by name (Zhou et al., ICLR 2023, Tables 1 to 4; the repository's defaults), and Spikingformer.

A name says blocks and width, as the paper's 'Spikformer-L-D' does; where two share them, the data set too.
Spikingformer-8-512 is that of its repository's energy log (zhouchenlin2096/Spikingformer), for ImageNet.
The heads of 8-384 on ImageNet are an assumption: 6 keeps the 64 channels a head of 8-512 and 8-768.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from spikec.errors import UnknownName
from spikec.snn.config import SpikformerConfig, uniform_config

CIFAR = (3, 32, 32)
IMAGENET = (3, 224, 224)
EVENTS = (2, 128, 128)

NETWORKS: Mapping[str, SpikformerConfig] = MappingProxyType(
    {
        "spikformer-4-256": uniform_config("cifar", CIFAR, 10, width=256, depth=4, heads=8),
        "spikformer-2-384": uniform_config("cifar", CIFAR, 10, width=384, depth=2, heads=12),
        "spikformer-4-384": uniform_config("cifar", CIFAR, 10, width=384, depth=4, heads=12),
        "spikformer-4-384-cifar100": uniform_config("cifar", CIFAR, 100, width=384, depth=4, heads=12),
        "spikformer-8-384": uniform_config("imagenet", IMAGENET, 1000, width=384, depth=8, heads=6),
        "spikformer-8-512": uniform_config("imagenet", IMAGENET, 1000, width=512, depth=8, heads=8),
        "spikformer-8-768": uniform_config("imagenet", IMAGENET, 1000, width=768, depth=8, heads=12),
        "spikingformer-8-512": uniform_config("spikingformer", IMAGENET, 1000, width=512, depth=8, heads=8),
        "spikformer-dvs-2-256": uniform_config("dvs", EVENTS, 10, width=256, depth=2, heads=16, steps=16),
        "spikformer-dvs128-2-256": uniform_config("dvs", EVENTS, 11, width=256, depth=2, heads=16, steps=16),
        "spikformer-digits": uniform_config("digits", (1, 8, 8), 10, width=64, depth=3, heads=4),
    }
)


def network_config(name: str) -> SpikformerConfig:
    """The config of the published network `name`.

    Raises:
        UnknownName: there is none; the error names the nearest.
    """
    if name not in NETWORKS:
        raise UnknownName(name, "network", NETWORKS)
    return NETWORKS[name]
