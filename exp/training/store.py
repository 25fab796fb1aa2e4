"""Where a training keeps its best weights and the state that it can resume from: in memory, or in two files."""

import logging
from pathlib import Path

from torch import nn

from exp.config import ExperimentConfig, differences
from exp.errors import UserError
from exp.training import checkpoint

logger = logging.getLogger(__name__)


class MemoryStore:
    """Keeps the best weights; nothing resumes from it."""

    def save_best(self, network: nn.Module) -> None:
        """Keep a copy of the network's weights."""
        self._best = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    def load_best(self, network: nn.Module) -> None:
        """Give the network the weights that were kept last."""
        network.load_state_dict(self._best)

    def save_state(self, state: dict) -> None:
        """Let the state go."""


class FileStore:
    """Keeps both in files.

    Parameters
    ----------
    best_path, state_path : Path
        The checkpoint of the best epoch, and the state after the last finished epoch.
    config : ExperimentConfig
        Stands in both, so that they are not taken for another's.
    """

    def __init__(self, best_path: Path, state_path: Path, config: ExperimentConfig):
        self.best_path, self.state_path, self.config = best_path, state_path, config

    def save_best(self, network: nn.Module) -> None:
        """Write the network's weights."""
        checkpoint.save_network(self.best_path, network, self.config)

    def load_best(self, network: nn.Module) -> None:
        """Give the network the weights that were written last."""
        checkpoint.load_network(self.best_path, network, self.config)

    def save_state(self, state: dict) -> None:
        """Write the state of the training."""
        checkpoint.save(self.state_path, {"config": self.config.to_dict(), **state})

    def read_state(self) -> dict | None:
        """Return the state that an earlier training has left, or None where it has left none.

        Raises
        ------
        UserError
            When the file is damaged, or belongs to another configuration.
        """
        path = self.state_path
        if not path.is_file():
            logger.info("nothing to resume in %s: training starts from the beginning", path.parent)
            return None
        state = checkpoint.load(path)
        if "progress" not in state:
            raise UserError(f"{path}: not the state of a training: retrain without --resume")
        differing = differences(state["config"], self.config.to_dict())
        differing = [row for row in differing if not row.startswith("evaluation.")]
        if differing:
            raise UserError(
                f"{path}: was trained with another configuration (then against now: "
                f"{', '.join(differing)}): set these keys back, or retrain without --resume"
            )
        return state
