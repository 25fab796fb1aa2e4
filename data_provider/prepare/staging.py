"""Moves files into a folder all together or not at all."""

import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """Yield an empty folder in `out` and remove it afterwards; also remove `out` if it is new and the block raises."""
    stage = out / f".prepare.{os.getpid()}.tmp"
    new = _missing(stage.parent)
    try:
        stage.mkdir(parents=True)
        yield stage
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        _remove_folders(new)
        raise
    shutil.rmtree(stage)


def install(stage: Path, out: Path) -> list[Path]:
    """Move all files of `stage` to the same places in `out`, except those that already exist there unchanged.

    If this fails halfway, all files of `out` are restored.

    Returns
    -------
    list of Path
        The files of `out` that changed.
    """
    changed, new, replaced = [], [], []
    try:
        for staged in sorted(path for path in stage.rglob("*") if path.is_file()):
            target = out / staged.relative_to(stage)
            if target.exists():
                if filecmp.cmp(staged, target, shallow=False):
                    continue
                earlier = stage / f"{len(replaced)}.earlier"
                _link_or_copy(target, earlier)
                replaced.append((earlier, target))
            else:
                new += [target, *_missing(target.parent)]
                target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged, target)
            changed.append(target)
    except BaseException:
        for earlier, target in replaced:
            os.replace(earlier, target)
        for path in new:
            if path.is_file():
                path.unlink()
        _remove_folders(new)
        raise
    return changed


def _link_or_copy(path, copy):
    try:
        os.link(path, copy)
    except OSError:  # the file system has no links
        shutil.copy2(path, copy)


def _missing(folder):
    """Return those of a folder and its parents that do not exist, the deepest first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _remove_folders(folders):
    for folder in folders:
        with suppress(OSError):  # another program may have put something there
            folder.rmdir()
