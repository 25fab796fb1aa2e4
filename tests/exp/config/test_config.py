import copy
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from data_provider.shipped import CONFIGS
from exp.config import ExperimentConfig, config_file, differences, load_config
from exp.errors import UserError
from models import ConfigError
from tests.support.command_line import settings


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings()))
    return path


def test_defaults_are_filled_in_and_come_back(file):
    config = load_config(file)
    mapping = config.to_dict()
    assert mapping["train"] | {"optim": "adam", "patience": 3, "seed": 2025, "precision": "fp32"} == mapping["train"]
    assert mapping["data"]["validation_share"] == 0.2
    assert mapping["evaluation"]["metrics"] == ["auc", "r_auc", "vus", "best_f1"]
    assert mapping["model"]["name"] == config.detector == "CrossAD"
    assert ExperimentConfig.from_dict(mapping) == config
    assert yaml.safe_load(yaml.safe_dump(mapping)) == mapping


def test_a_folder_stands_for_its_config_yaml(file):
    assert load_config(file.parent) == load_config(file) == load_config(str(file))


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("MSL", "MSL/config.yaml"),
        ("configs/MSL", "MSL/config.yaml"),
        ("configs/SMD/MIXAD.yaml", "SMD/MIXAD.yaml"),
        ("SMD/MIXAD.yaml", "SMD/MIXAD.yaml"),
        ("UCR/config.yaml", "UCR/config.yaml"),
    ],
)
def test_the_repositorys_configurations_are_found_by_name_from_anywhere(path, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config_file(path) == CONFIGS / file


@pytest.mark.parametrize("path", ["MSL", "configs/MSL"])
def test_a_configuration_that_is_there_comes_first(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / path / "config.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert config_file(path).resolve() == own


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("MSLL", "MSLL: no such file: did you mean MSL?"),
        ("configs/MSLL", "configs/MSLL: no such file: did you mean configs/MSL?"),
        ("configs", "configs: no such file: give a YAML file, or a folder with config.yaml"),
        ("../configs/MSL", "../configs/MSL: no such file: give a YAML file, or a folder with config.yaml"),
        ("/nowhere/MSL", "/nowhere/MSL: no such file: give a YAML file, or a folder with config.yaml"),
        ("elsewhere/MSL", "elsewhere/MSL: no such file: give a YAML file, or a folder with config.yaml"),
    ],
)
def test_other_names_are_refused_with_the_nearest_one(path, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as refused:
        config_file(path)
    assert str(refused.value) == error


def test_sections_that_are_left_out_or_empty_take_their_defaults(file):
    mapping = settings()
    del mapping["train"]
    file.write_text(yaml.safe_dump(mapping) + "evaluation:\n")
    assert load_config(file).train.train_epochs == 20
    assert load_config(file).evaluation.window == 100


def test_overrides(file):
    overrides = [
        "train.learning_rate=5e-4",
        "train.batch_size=7",
        "model.ms_kernels=[8, 2]",
        "model.d_ff=null",
        "evaluation.cover_tail=true",
        "evaluation.metrics=[vus]",
        "data.format=ucr",
        "data.file=a=b.txt",
        "train.batch_size=8",
    ]
    config = load_config(file, overrides)
    assert config.train.learning_rate == 5e-4
    assert config.train.batch_size == 8  # the last one counts
    assert config.model.ms_kernels == (8, 2)
    assert config.model.d_ff is None
    assert config.evaluation.cover_tail is True
    assert config.evaluation.metrics == ("vus",)
    assert config.data.file == "a=b.txt"
    assert load_config(file).train.batch_size == settings()["train"]["batch_size"]


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.0e-4", "0.0001", "1.e-4", "+1e-4"])
def test_numbers_as_people_write_them(file, text):
    assert load_config(file, [f"train.learning_rate={text}"]).train.learning_rate == 1e-4


def test_settings_do_not_change(file):
    config = load_config(file)
    with pytest.raises(ValueError, match="frozen"):
        config.train.seed = 3
    with pytest.raises(AttributeError):
        config.train = None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3))
def test_any_value_is_taken_or_refused_in_one_line(value):
    for section, key in (("train", "batch_size"), ("model", "ms_kernels"), ("data", "name"), ("evaluation", "metrics")):
        mapping = settings()
        mapping.setdefault(section, {})[key] = value
        text = key
        try:
            config = ExperimentConfig.from_dict(mapping)
            assert ExperimentConfig.from_dict(config.to_dict()) == config
        except ConfigError as error:
            text = str(error)
        assert key in text
        assert len(text.splitlines()) == 1


def test_all_that_is_wrong_is_told_at_once():
    mapping = settings(train__batch_size=0, train__optim="sgd")
    with pytest.raises(ConfigError, match=r"train\.batch_size.*; train\.optim"):
        ExperimentConfig.from_dict(mapping)


def test_from_dict_leaves_its_mapping_alone(file):
    mapping = settings()
    before = copy.deepcopy(mapping)
    ExperimentConfig.from_dict(mapping)
    assert mapping == before


@pytest.mark.parametrize(
    ("section", "key", "value", "remedy"),
    [
        ("data", "format", "ucf", "'ucf' is not one of 'table', 'ucr', 'tsb-ad': did you mean 'ucr'?"),
        ("data", "scaling", "minmax", "'minmax' is not one of 'standard', 'min-max': did you mean 'min-max'?"),
        ("data", "standardise", "all", "'all' is not one of 'train', 'each'"),
        ("train", "optim", "adma", "'adma' is not one of 'adam', 'adamw': did you mean 'adam'?"),
        ("train", "lradj", "cosin", "did you mean 'cosine'?"),
        ("train", "precision", "bf-16", "did you mean 'bf16'?"),
        ("model", "activation", "rleu", "'rleu' is not one of 'gelu', 'relu': did you mean 'relu'?"),
        ("evaluation", "metrics", ["auc", "vuss"], "'vuss' is not a measure: did you mean 'vus'?"),
        ("evaluation", "metrics", ["AUC_PR"], "'AUC_PR' is not a measure: "),
        ("evaluation", "metrics", "auc", "input should be a list, got 'auc'"),
    ],
)
def test_choices_are_closed(section, key, value, remedy):
    mapping = settings()
    mapping.setdefault(section, {})[key] = value
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict(mapping)
    assert str(caught.value).startswith(f"{section}.{key}")
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lradj", "key", "value"),
    [("type1", "milestones", [3]), ("steps", "final_rate", 1e-5), ("linear", "pct_start", 0.4)],
)
def test_a_setting_of_another_schedule_is_refused(lradj, key, value):
    mapping = settings()
    mapping["train"] = {"lradj": lradj, key: value}
    with pytest.raises(ConfigError, match=f"^train: {key} has no effect with lradj {lradj}, only with "):
        ExperimentConfig.from_dict(mapping)


def test_differences():
    one = {"a": 1, "b": {"c": 2, "d": [1]}, "e": None}
    other = {"a": 1, "b": {"c": 3, "d": [1]}, "f": 4}
    assert differences(one, other) == ["b.c 2 vs. 3", "f None vs. 4"]
    assert differences(one, copy.deepcopy(one)) == []
    assert differences({"c": 2}, {"c": 3}, "b.") == ["b.c 2 vs. 3"]


def test_errors_name_the_file_and_the_options(file):
    with pytest.raises(ConfigError, match=r"config\.yaml with --set train\.batch_size=0: train\.batch_size"):
        load_config(file, ["train.batch_size=0"])
    for short, full in {
        "seed=1": "train.seed=1",
        "window=7": "evaluation.window=7",
        "seq_len=8": "model.seq_len=8",
        "x=1": "train.batch_size=64",
        "train.seed": "train.batch_size=64",
    }.items():
        with pytest.raises(UserError, match=re.escape(f"--set {short}: expected section.key=value, such as {full}")):
            load_config(file, [short])
    with pytest.raises(ConfigError, match=r"unknown key 'train\.lr': did you mean 'learning_rate'"):
        load_config(file, ["train.lr=1"])
    with pytest.raises(UserError, match="no such file"):
        load_config(file.parent / "nowhere")
