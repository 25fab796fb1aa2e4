import json

import pytest
import torch
import yaml

from exp.config import load_config, read_yaml, resolve
from exp.training.schedules import next_rate
from models import DETECTORS
from tests.support.paths import GOLDEN, REPOSITORY

CONFIGS = REPOSITORY / "configs"
PUBLISHED = json.loads((GOLDEN / "configs.json").read_text())
DATASETS = ("GECCO", "MSL", "PSM", "SMAP", "SMD", "SWAN", "SWAT")
# Number of channels used.
CHANNELS = {"SMD": (38, 38), "MSL": (1, 55), "SMAP": (1, 25), "SWAT": (31, 51), "PSM": (25, 25), "GECCO": (9, 9)}


@pytest.mark.parametrize("name", DATASETS)
def test_published_values(name):
    config = load_config(CONFIGS / name).to_dict()
    for section in ("model", "train"):
        published = dict(PUBLISHED[name][section])
        published.pop("alpha", None)  # in one file only, where it is 0
        assert {key: config[section][key] for key in published} == published
        written = yaml.safe_load((CONFIGS / name / "config.yaml").read_text())[section]
        assert published.keys() <= written.keys()
    assert config["train"]["seed"] == 2025
    assert config["train"]["precision"] == "fp32"
    assert not config["train"]["compile"]
    assert config["evaluation"]["window"] == 100
    assert config["evaluation"]["n_thresholds"] == 250
    assert not config["evaluation"]["cover_tail"]


@pytest.mark.parametrize("name", DATASETS)
def test_data(name):
    data = load_config(CONFIGS / name).data
    assert (data.name, data.format, data.standardise, data.validation_share) == (name, "table", "train", 0.2)
    used, of_all = CHANNELS.get(name, (38, 38))
    dropped = set(data.drop_channels)
    assert len(dropped) == len(data.drop_channels) == of_all - used
    assert dropped <= set(range(of_all))
    if name in ("MSL", "SMAP"):
        assert 0 not in dropped


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*/*.yaml")), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_file_builds_its_network(file):
    mapping = read_yaml(file)
    mapping.pop("series", None)
    for keys in mapping.pop("settings", {}).values():  # the last one represents all
        mapping["model"] |= keys
    config = resolve(mapping, [], str(file))
    used, _ = CHANNELS.get(config.data.name, (10, 10))
    network = DETECTORS[config.detector].build(config.model, used)
    assert network(torch.zeros(2, config.model.seq_len, used)).loss.shape == ()


def test_detectors_stand_beside_crossad():
    for name in ("SMD", "SMAP", "MSL", "SWAT", "PSM", "UCR", "TSB-AD-U"):
        assert read_yaml(CONFIGS / name / "DualSTF.yaml")["model"]["name"] == "DualSTF"
    for name in ("SMD", "MSDS"):
        assert read_yaml(CONFIGS / name / "MIXAD.yaml")["model"]["name"] == "MIXAD"
    for name in ("SMD", "SMAP", "MSL"):
        assert read_yaml(CONFIGS / name / "AxonAD.yaml")["model"]["name"] == "AxonAD"


def test_axonad_has_the_values_of_its_published_runs():
    for file in sorted(CONFIGS.glob("*/AxonAD*.yaml")):
        config = resolve(read_yaml(file), [], str(file))
        assert config.model == DETECTORS["AxonAD"].config()
        train = config.train
        assert (train.train_epochs, train.batch_size, train.patience, train.min_delta) == (50, 128, 3, 1e-4)
        assert (train.optim, train.learning_rate, train.weight_decay, train.grad_norm) == ("adamw", 5e-4, 1e-5, 1.0)
        assert [next_rate(train, epoch, 0.0) for epoch in (1, 25, 49)] == [5e-4] * 3
