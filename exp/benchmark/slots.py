"""Which of several CUDA devices a job gets: the one with the fewest jobs, whoever started them.

Each job holds a lock on a file named after its device for as long as it runs. The operating system releases the lock
when the job's process ends, in whatever way. So this works for workers on this machine, for those of a cluster on each
of its machines, and for several programs at once.
"""

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from exp.training.devices import choose_device


@contextmanager
def own_device(name: str) -> Iterator[torch.device]:
    """Yield the device of a job: the least busy of several CUDA devices, or one thread of the CPU.

    Parameters
    ----------
    name : str
        As on the command line.

    Raises
    ------
    UserError
        When there is no such device.
    """
    device = choose_device(name)
    if device.type == "cpu":
        torch.set_num_threads(1)  # one thread per worker, so that results do not depend on their number
    if device.type != "cuda" or device.index is not None:
        yield device
        return
    folder = Path(tempfile.gettempdir()) / f"crossad-devices-{os.getuid()}"
    with least_busy(_device_names(), folder) as index:
        yield torch.device("cuda", index)


def _device_names() -> list[str]:
    """Return names of the visible devices that other processes use as well."""
    count = torch.cuda.device_count()
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return visible[:count] if len(visible) >= count else [str(index) for index in range(count)]


@contextmanager
def least_busy(names: Sequence[str], folder: Path) -> Iterator[int]:
    """Yield the index of the first of the devices with the fewest holders, and hold it meanwhile.

    Parameters
    ----------
    names : sequence of str
        Names of the devices.
    folder : Path
        Folder of the locks; created if missing. All processes that share the devices use the same one.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(folder / "choice"):  # one process chooses at a time
        free = [_free_slots(folder, re.sub(r"[^\w-]", "_", name)) for name in names]
        index = min(range(len(names)), key=lambda place: free[place][0])
        slot = _try_lock(free[index][1])
    try:
        yield index
    finally:
        os.close(slot)


def _free_slots(folder: Path, name: str) -> tuple[int, Path]:
    """Return the number of holders of the device, and a file that nobody holds."""
    held, free = 0, None
    files = sorted(folder.glob(f"{name}.*"))
    for file in files:
        slot = _try_lock(file)
        if slot is None:
            held += 1
        else:
            os.close(slot)
            free = free or file
    return held, free or folder / f"{name}.{len(files)}"


def _try_lock(file: Path) -> int | None:
    """Return the descriptor of a locked file, or None if another process has locked it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Wait for a file's lock and hold it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
