"""Replay: a sampler as it was, from its seed and the trials of a study."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spikec.errors import StudyError
from spikec.search.config import StudyConfig
from spikec.search.sampler import Sampler, make_sampler
from spikec.search.space import SearchSpace
from spikec.search.trial import Trial

# Sets the sampler's stream apart from others that a caller may make from the same seed.
_STREAM = 0x5EA2C4


def sampler_of(space: SearchSpace, config: StudyConfig) -> Sampler:
    """The sampler that a configuration names, at its beginning; errors as for `make_sampler`."""
    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(_STREAM,)))
    return make_sampler(config.method, space, config.objectives, rng, config.options)


def replay(sampler: Sampler, trials: Sequence[Trial], folder: Path) -> None:
    """Asks and tells the sampler as the trials were, in their order, so that it stands where it stood.

    Args:
        sampler: at its beginning.
        trials: all of a study, by number.
        folder: the study's, for the message.

    Raises:
        StudyError: the sampler proposes something else than it did: spikec or numpy is not what it was.
    """
    told = sorted((t for t in trials if t.told_as is not None), key=lambda t: t.told_as or 0)
    delivered = 0
    for trial in trials:
        for earlier in told[delivered : trial.asked_after]:
            sampler.tell(earlier.genome, earlier.screen or {})
        delivered = max(delivered, trial.asked_after)
        genome = sampler.ask()
        if genome != trial.genome:
            raise StudyError(
                found=f"trial {trial.number} was {trial.genome}, and the sampler now gives {genome}",
                where=str(folder),
                mend="resume with the versions that made it (fingerprints.json), or start a new study",
            )
    for last in told[delivered:]:
        sampler.tell(last.genome, last.screen or {})
