"""A trained model by its folder or its name on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lenssr.errors import RunError
from lenssr.runs.box import boxed
from lenssr.runs.find import LATEST, find, matching, run_folders
from lenssr.runs.load import EXPORTED, SHARED_WEIGHTS, load_run

if TYPE_CHECKING:
    from torch import nn

__all__ = ["load"]

# what is fetched from a hub: data alone, and of the network that a diffusion model starts from too
_FILES = (
    EXPORTED,
    SHARED_WEIGHTS,
    "metrics.json",
    "status.json",
    f"*/{EXPORTED}",
    f"*/{SHARED_WEIGHTS}",
    "*/metrics.json",
)


def load(where: str | Path, revision: str | None = None) -> nn.Module:
    """Return a trained model in evaluation mode, on the CPU; none of the code that may lie beside it is run.

    ``model.predict`` maps arrays in flux; the module itself takes and gives images divided by ``model.unit``; see
    :func:`lenssr.runs.load.load_run`.

    Args:
        where: a run folder or the beginning of a run's name, an exported folder, a model in the box as
            ``euclid_vis_x2``, or ``owner/name`` on the hub; what is on this machine goes first.
        revision: commit, tag or branch on the hub.

    Raises:
        RunError: it is nowhere, damaged, or asks for code that this project does not have.
    """
    return load_run(_here(Path(where)) or _fetched(str(where), revision))


def _here(where: Path) -> Path | None:
    """Return the folder of this machine that a word stands for; None where it can only be a name on the hub."""
    word, alone = str(where), len(where.parts) == 1
    known = where.is_dir() or (alone and (word == LATEST or word in boxed() or matching(word, run_folders())))
    return find(where) if known else None


def _fetched(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(_FILES)))
    except HFValidationError:
        raise RunError(f"There is no folder {name}, and it is no name on the Hugging Face hub (owner/name).") from None
    except LocalEntryNotFoundError:
        raise RunError(f"There is no folder {name}, and the Hugging Face hub cannot be reached for it.") from None
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RunError(f"There is no folder {name}, and the Hugging Face hub does not give it: {reason}") from error
