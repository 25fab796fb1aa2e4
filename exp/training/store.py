"""Where training keeps its best weights and the state to resume from: in memory, or in two files."""

import logging
from pathlib import Path

from torch import nn

from exp.config import ExperimentConfig, differences
from exp.errors import UserError
from exp.training import checkpoint

logger = logging.getLogger(__name__)


class MemoryStore:
    """Keeps the best weights in memory; training cannot be resumed from it."""

    def save_best(self, network: nn.Module) -> None:
        """Keep a copy of the network's weights."""
        self._best = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    def load_best(self, network: nn.Module) -> None:
        """Load the latest kept weights into the network."""
        network.load_state_dict(self._best)

    def save_state(self, state: dict) -> None:
        """Discard the state."""


class FileStore:
    """Keeps both in files.

    Parameters
    ----------
    best_path, state_path : Path
        The checkpoint of the best epoch, and the state after the last completed epoch.
    config : ExperimentConfig
        Stored in both, so that they are not mistaken for those of another configuration.
    """

    def __init__(self, best_path: Path, state_path: Path, config: ExperimentConfig):
        self.best_path, self.state_path, self.config = best_path, state_path, config

    def save_best(self, network: nn.Module) -> None:
        """Write the network's weights."""
        checkpoint.save_network(self.best_path, network, self.config)

    def load_best(self, network: nn.Module) -> None:
        """Load the latest written weights into the network."""
        checkpoint.load_network(self.best_path, network, self.config)

    def save_state(self, state: dict) -> None:
        """Write the training state."""
        checkpoint.save(self.state_path, {"config": self.config.to_dict(), **state})

    def read_state(self) -> dict | None:
        """Return the state left by an earlier training run, or None if there is none.

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
            raise UserError(f"{path}: not a training state: retrain without --resume")
        differing = differences(state["config"], self.config.to_dict())
        differing = [row for row in differing if not row.startswith("evaluation.")]
        if differing:
            raise UserError(
                f"{path}: was trained with another configuration (then vs. now: "
                f"{', '.join(differing)}): set these keys back, or retrain without --resume"
            )
        return state
