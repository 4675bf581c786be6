"""The folder of a study: which files it has, how it comes to be in one step, and how it is read back."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spikec.errors import StudyError, why_unread
from spikec.files import new_folder, write_text
from spikec.search.config import StudyConfig, config_toml, parse_config
from spikec.search.space import SearchSpace
from spikec.search.spacefile import parse_space, space_toml
from spikec.search.store import Store

DATABASE = "study.db"
SPACE = "space.toml"
CONFIG = "config.toml"
FINGERPRINTS = "fingerprints.json"


@dataclass(frozen=True)
class Files:
    """What a study's text files say; their hashes are those that study.db holds.

    Args:
        space: the search space.
        config: the resolved configuration.
        fingerprints: by name, as the caller gave them.
    """

    space: SearchSpace
    config: StudyConfig
    fingerprints: Mapping[str, str]


def make(folder: Path, files: Files) -> None:
    """Makes the folder of a new study; on any failure nothing of it is left.

    Raises:
        OutputError: the folder exists, or it cannot be written.
        UsageError: the configuration holds something that TOML has no form for.
    """
    texts = {
        SPACE: space_toml(files.space),
        CONFIG: config_toml(files.config),
        FINGERPRINTS: json.dumps(dict(files.fingerprints), indent=2, sort_keys=True) + "\n",
    }
    # A folder of this name always is a whole study.
    mend = "--resume goes on with it" if os.path.lexists(folder / DATABASE) else "another folder"
    with new_folder(folder, mend=mend) as part:
        for name, text in texts.items():
            write_text(part / name, text)
        Store.create(part / DATABASE, {name: _sha256(text) for name, text in texts.items()})


def read_files(folder: Path, store: Store) -> Files:
    """What the text files of a study say.

    Raises:
        StudyError: one is missing, or was changed since the study was made.
    """
    texts: dict[str, str] = {}
    stored = store.files()
    if set(stored) != {SPACE, CONFIG, FINGERPRINTS}:
        raise StudyError(found=f"no study's files: {sorted(map(str, stored))}", where=str(store.path))
    for name, sha256 in stored.items():
        path = folder / name
        try:
            texts[name] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(found=why_unread(error), where=str(path)) from error
        if _sha256(texts[name]) != sha256:
            mend = "put it back as it was, or start a new study"
            raise StudyError(found="changed since the study was made", where=str(path), mend=mend)
    return Files(
        parse_space(texts[SPACE], str(folder / SPACE)),
        parse_config(texts[CONFIG], str(folder / CONFIG)),
        json.loads(texts[FINGERPRINTS]),
    )


def require_study(folder: Path) -> None:
    """Does nothing where the folder is a study's.

    Raises:
        StudyError: there is no such folder, it is a file, or it is no study.
    """
    if not folder.exists():
        raise StudyError(found="no such folder", where=str(folder), expected="a study")
    if not folder.is_dir():
        raise StudyError(found="a file", where=str(folder), expected="a study's folder")
    if not (folder / DATABASE).is_file():
        raise StudyError(found=f"a folder without {DATABASE}", where=str(folder), expected="a study")


def require_same(stored: Mapping[str, str], now: Mapping[str, str], folder: Path) -> None:
    """Does nothing where the fingerprints agree.

    Raises:
        StudyError: some differ, or are on one side only; each is named with both sides.
    """
    differing = sorted(name for name in {*stored, *now} if stored.get(name) != now.get(name))
    if differing:
        told = "; ".join(
            f"{name} was {stored.get(name, 'not given')}, is {now.get(name, 'not given')}" for name in differing
        )
        raise StudyError(
            found=f"its trials were made with something else: {told}",
            where=str(folder),
            mend="resume with the same, or start a new study",
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
