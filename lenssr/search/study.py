"""A study on disk: several processes, on several machines, may work on it, and any of them may be killed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenssr.errors import ConfigError
from lenssr.search.journal import mend
from lenssr.system.files import read_json, write_json
from lenssr.system.locks import locked

if TYPE_CHECKING:
    from optuna import Study

__all__ = ["begin", "open_study", "quiet", "sampler", "study_lock"]

_SETTINGS = "settings.json"
_PRUNERS = ("median", "hyperband", "none")
_STORAGES = ("journal", "sqlite")


def quiet() -> Any:
    """Return Optuna without its own account of every trial.

    Raises:
        ConfigError: it is missing.
    """
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("A search needs Optuna: pip install 'lenssr[search]'.") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def study_lock(folder: Path) -> AbstractContextManager[None]:
    """Return the lock under which trials are given out."""
    return locked(folder / "trials", f"Waiting for another process that asks {folder} for a trial ...")


def begin(folder: Path, settings: dict[str, Any]) -> Study:
    """Open the study of a folder, or make it.

    Args:
        folder: of the search.
        settings: what makes two searches one: ``name``, ``direction``, ``storage``, ``pruner``, ``seed``,
            ``validations``, ``fixed`` and ``space``.

    Raises:
        ConfigError: a setting is none of those there are, or the folder holds another search.
    """
    for key, known in (("pruner", _PRUNERS), ("storage", _STORAGES)):
        if settings[key] not in known:
            raise ConfigError(f"hydra.sweeper.{key}={settings[key]} is none of {', '.join(known)}.")
    with study_lock(folder):
        earlier = read_json(folder / _SETTINGS)
        changed = [key for key in settings if earlier and earlier.get(key) != settings[key]]
        if earlier and changed:
            was, now = earlier.get(changed[0]), settings[changed[0]]
            raise ConfigError(
                f"The search in {folder} was begun with other settings ({changed[0]}: {was}, now {now}); give this "
                "one its own name, hydra.sweeper.study=<name>, or move that folder away."
            )
        write_json(folder / _SETTINGS, settings)
        return open_study(folder)


def open_study(folder: Path) -> Study:
    """Open the study of a folder, with its pruner.

    Raises:
        ConfigError: there is none.
    """
    settings = read_json(folder / _SETTINGS)
    if settings is None:
        raise ConfigError(f"There is no search in {folder}.")
    return quiet().create_study(
        study_name=settings["name"],
        storage=_storage(folder, settings["storage"]),
        direction=settings["direction"],
        pruner=_pruner(settings),
        load_if_exists=True,
    )


def sampler(seed: int, number: int) -> Any:
    """Return the sampler of a trial: seeded by its number, so that a search that was killed does not begin anew."""
    return quiet().samplers.TPESampler(seed=1_000_003 * seed + number)


def _storage(folder: Path, kind: str) -> Any:
    if kind == "sqlite":
        return f"sqlite:///{(folder / 'study.db').resolve()}"
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    path = str((folder / "study.journal").resolve())
    lock = JournalFileSymlinkLock(path)
    mend(Path(path), lock)
    return JournalStorage(JournalFileBackend(path, lock))


def _pruner(settings: dict[str, Any]) -> Any:
    pruners = quiet().pruners
    if settings["pruner"] == "hyperband":
        return pruners.HyperbandPruner(max_resource=settings["validations"])
    return pruners.MedianPruner() if settings["pruner"] == "median" else pruners.NopPruner()
