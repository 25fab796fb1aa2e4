"""The configuration of an experiment: typed sections, from a YAML file and overrides."""

from exp.config.files import config_file, differences, load_config, locate, read_yaml, resolve
from exp.config.schema import DataConfig, EvaluationConfig, ExperimentConfig, TrainConfig

__all__ = [
    "DataConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "TrainConfig",
    "config_file",
    "differences",
    "load_config",
    "locate",
    "read_yaml",
    "resolve",
]
