"""What the command lines share: checks of common options, and how errors and interruptions end a program."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from tqdm.contrib.logging import logging_redirect_tqdm

from exp.config import locate
from exp.config.schema import SEEDS
from exp.errors import USER_ERRORS, UserError
from ts_ad_evaluation.files import write_in_any_encoding


def chosen_config(options: argparse.Namespace) -> Path:
    """Return the configuration that --config and --model refer to.

    Raises
    ------
    UserError
        When --model is given and --config is not a folder.
    """
    if options.model is None:
        return options.config
    folder = locate(options.config)
    if not folder.is_dir():
        raise UserError(f"--model {options.model} chooses a file of a folder: let --config name the folder")
    return folder / f"{options.model}.yaml"


def common_overrides(options: argparse.Namespace) -> list[str]:
    """Return the common options that change settings as overrides of the configuration.

    Raises
    ------
    UserError
        When both --seed and --seeds are given, a seed twice, or one that is out of range.
    """
    if options.seed is not None and options.seeds:
        raise UserError("--seed and --seeds exclude each other: use one of them")
    if options.seeds and len(set(options.seeds)) < len(options.seeds):
        raise UserError(f"--seeds {' '.join(map(str, options.seeds))}: seeds must be unique")
    for seed in options.seeds or []:
        if not 0 <= seed < SEEDS:
            raise UserError(f"--seeds {seed}: a seed is a whole number from 0 to {SEEDS - 1}")
    overrides = list(options.set)
    if options.seed is not None:
        overrides.append(f"train.seed={options.seed}")
    if options.cover_tail:
        overrides.append("evaluation.cover_tail=true")
    return overrides


def refuse_idle(changes: Iterable[str], idle: Mapping[str, str]) -> None:
    """Refuse changes of settings that would have no effect.

    Parameters
    ----------
    changes : iterable of str
        Each `section.key=value`, as --set gives them.
    idle : mapping of str to str
        By section or `section.key`, the words that follow "has no effect" for it.

    Raises
    ------
    UserError
        When there is such a change.
    """
    for change in changes:
        key = change.partition("=")[0].strip()
        where = idle.get(key) or idle.get(key.partition(".")[0])
        if where:
            raise UserError(f"--set {key} has no effect {where}: leave it out")


def check_resume(mode: str) -> None:
    """Refuse --resume if there is nothing to continue.

    Raises
    ------
    UserError
        When the mode trains nothing.
    """
    if mode in ("test", "evaluate"):
        raise UserError(f"--resume continues training, but --mode {mode} trains nothing: leave it out")


def run_program(
    work: Callable[[argparse.Namespace], int],
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None = None,
    after_interruption: str = ": --resume continues after the last completed epoch",
) -> int:
    """Do the work and return the exit code: its own, 2 for errors that the user can fix, 130 when interrupted.

    Parameters
    ----------
    work : callable
        Takes the options.
    parser : ArgumentParser
        Parser of the options.
    arguments : sequence of str, optional
        By default, those of the process.
    after_interruption : str
        The end of the line that reports an interruption.
    """
    write_in_any_encoding()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # on its first run it logs the fonts it has found
    try:
        with logging_redirect_tqdm():
            return work(options)
    except USER_ERRORS as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"error: {error}: check the path and the free space, then run again\n")
        return 2
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        sys.stderr.write("error: the memory is exhausted: lower train.batch_size or the model's sizes\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted{after_interruption}\n")
        return 130


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    # PyTorch has an exception for it only on CUDA.
    known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return known or "can't allocate memory" in str(error) or "out of memory" in str(error)
