"""The configuration of a study: everything that its trials follow from."""

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from spikec.errors import StudyError
from spikec.search.objectives import Objective
from spikec.search.plain import Plain, to_toml
from spikec.search.schema import parse


@dataclass(frozen=True)
class StudyConfig:
    """What a study is run with, resolved: no default is left to guess when it is read again.

    Args:
        method: the sampler's name.
        seed: of the sampler; 0 or more.
        objectives: what trials are told, at least one, with the axis and reference that hypervolume uses.
        options: the sampler's options.
        run: the caller's own settings (trials, data, hardware, training); carried, never read here.

    Raises:
        StudyError: no objective, or two of one name.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    method: str
    seed: Annotated[int, Field(ge=0)]
    objectives: tuple[Objective, ...]
    options: Mapping[str, Any] = field(default_factory=dict)  # Any: plain data, which TOML has checked already
    run: Mapping[str, Any] = field(default_factory=dict)  # Any: as above

    def __post_init__(self) -> None:
        """Checks the objectives."""
        twice = [name for name, times in Counter(o.name for o in self.objectives).items() if times > 1]
        if not self.objectives or twice:
            found = f"two objectives called {', '.join(twice)}" if twice else "no objective"
            raise StudyError(found=found, expected="at least one objective, each of its own name")


def config_toml(config: StudyConfig) -> str:
    """The configuration as TOML text, which `parse_config` reads back equal.

    Raises:
        UsageError: options or run hold something that TOML has no form for; the key is named.
    """
    objectives: list[Plain] = [
        {key: value for key, value in asdict(objective).items() if value is not None} for objective in config.objectives
    ]
    return to_toml(
        {
            "method": config.method,
            "seed": config.seed,
            "objectives": objectives,
            "options": dict(config.options),
            "run": dict(config.run),
        }
    )


def parse_config(text: str, where: str) -> StudyConfig:
    """The configuration that `config_toml` wrote.

    Raises:
        StudyError: no TOML, or no configuration; file and key are named.
    """
    try:
        plain = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of numbers too long, and of lists too deep
        raise StudyError(found=f"no TOML: {error}", where=where) from error
    return parse(StudyConfig, plain, where, StudyError)
