"""Wrong input of every kind: exit code 2, one line that says what is wrong, where, and what to do, nothing written."""

import errno
import os
import pickle

import numpy as np
import pytest
import torch
import yaml

from exp.cli.run import main
from models.CrossAD import CrossAD, CrossADConfig
from tests.support.command_line import TRAIN_ROWS, WINDOW, run_command, settings, values


def files_below(folder):
    """Return the content of every file except the copies of parsed CSV files."""
    found = (path for path in sorted(folder.rglob("*")) if path.suffix != ".cache")
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}


def refuse(place, *more, says):
    """Check that run.py ends with one line that contains all texts in `says`, and leaves every file as it was."""
    before = files_below(place.path)
    ended = place.run(*more)
    after = files_below(place.path)
    for name in ("stdout.txt", "stderr.txt"):
        after.pop(name)
        before.pop(name, None)
    errors = [line for line in ended.stderr.splitlines() if not line[:2].isdigit()]  # log lines start with the time
    assert len(errors) == 1, ended.stderr
    assert errors[0].startswith("error: ")
    for text in says:
        assert str(text) in errors[0]
    assert ended.returncode == 2
    assert after == before
    return errors[0]


def write_wide(place, *, rows=None, **columns):
    """Write the dataset as a wide file, with some columns replaced."""
    points, label = values()
    cells = {"a": list(points[:, 0]), "b": list(points[:, 1]), "label": list(label)} | columns
    lines = [",".join(cells)] + [",".join(map(str, row)) for row in zip(*cells.values(), strict=True)]
    place.csv.write_text("\n".join(lines[: rows + 1 if rows else None]) + "\n")


def changed(column, row, value):
    points, label = values()
    cells = list({"a": points[:, 0], "b": points[:, 1], "label": label}[column])
    cells[row] = value
    return cells


# The dataset


def test_missing_files(place, tmp_path):
    nowhere = tmp_path / "nowhere"
    refuse(place, "--root_path", nowhere, says=[nowhere, "DETECT_META.csv", "dataset/README.md"])
    place.csv.rename(tmp_path / "TOY.csv")
    refuse(place, says=[place.csv, "dataset/README.md", "download"])
    place.csv.parent.rmdir()
    refuse(place, says=[place.csv, place.csv.parent, "dataset/README.md"])
    place.meta.unlink()
    refuse(place, says=[place.meta, "train_rows"])
    place.configure(data__format="ucr", data__file="001_UCR_Anomaly_X_200_300_310.txt")
    refuse(place, says=[place.root / "001_UCR_Anomaly_X_200_300_310.txt", "dataset/README.md"])


def test_unknown_dataset(place):
    refuse(place, "--set", "data.name=TOYS", says=[place.meta, "'file_name'", "TOYS.csv", "nearest", "TOY.csv"])


@pytest.mark.parametrize("line", ["TOY.csv,,", "TOY.csv,,many", "TOY.csv"])
def test_a_list_of_datasets_without_the_number_of_rows(place, line):
    place.meta.write_text(f"file_name,trend,train_lens\n{line}\n")
    refuse(place, says=[place.meta, "'train_lens'", "TOY.csv", "whole number"])


def test_a_list_of_datasets_that_is_no_text(place):
    place.meta.write_bytes(b"\xff\xfe\x00file_name,train_lens\n")
    refuse(place, says=[place.meta])


@pytest.mark.parametrize("rows", [0, -5, 330, 10**9])
def test_a_training_part_that_the_file_does_not_hold(place, rows):
    place.meta.write_text(f"file_name,train_lens\nTOY.csv,{rows}\n")
    refuse(place, says=[place.csv, f"{rows} rows", "330 rows", "train_lens"])


def test_no_label(place):
    write_wide(place)
    place.csv.write_text(place.csv.read_text().replace("label", "labels", 1))
    refuse(place, says=[place.csv, "'label'", "add it"])
    place.csv.write_text("data,cols\n1,a\n2,a\n3,b\n4,b\n")
    refuse(place, says=[place.csv, "'label'"])


def test_blocks_of_unequal_length(place):
    lines = place.csv.read_text().splitlines()
    place.csv.write_text("\n".join(lines[:-5]) + "\n")
    refuse(place, says=[place.csv, "'label'", "325 rows", "330"])


def test_a_file_without_rows(place):
    for text in ("", "\n", "a,b,label\n", "data,cols\n"):
        place.csv.write_text(text)
        refuse(place, says=[place.csv])


@pytest.mark.parametrize("cell", ["high", "1,5", "1.2.3", "--"])
def test_cells_that_are_no_numbers(place, cell):
    quoted = f'"{cell}"'
    write_wide(place, a=changed("a", 7, quoted))
    refuse(place, says=[place.csv, "'a'", cell, "line 9", "number"])
    write_wide(place)
    place.csv.write_text(f"data,cols\n1,a\n{quoted},a\n0,label\n1,label\n")
    refuse(place, says=[place.csv, "'data'", cell, "line 3", "number"])


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-inf", ""])
def test_values_that_are_not_finite(place, cell):
    points, label = values()
    b, label_cells = list(points[:, 1]), list(label)
    b[40], b[50], label_cells[60] = cell, cell, cell
    write_wide(place, b=b, label=label_cells)
    refuse(place, says=[place.csv, "row 41", "'b'", "finite"])


@pytest.mark.parametrize("cell", [2, -1, 0.5])
def test_labels_other_than_0_and_1(place, cell):
    write_wide(place, label=changed("label", 20, cell))
    refuse(place, says=[place.csv, "row 21", "'label'", "0 or 1"])


def test_lines_of_unequal_length(place):
    write_wide(place)
    lines = place.csv.read_text().splitlines()
    lines[4] += ",5"
    place.csv.write_text("\n".join(lines))
    refuse(place, says=[place.csv, "line 5", "4 cells", "3 columns"])


def test_a_file_that_is_no_text(place):
    place.csv.write_bytes(bytes(range(256)) * 20)
    refuse(place, says=[place.csv])


def test_parts_shorter_than_a_window(place):
    place.configure(data__train_rows=20)
    refuse(place, says=["training part", f"window of {WINDOW}", "seq_len"])
    place.configure(data__train_rows=320)
    refuse(place, says=["test part", "10 points", f"window of {WINDOW}", "seq_len"])
    place.configure(data__train_rows=1)
    refuse(place, says=["TOY", "validation"])


def test_channels_that_are_not_there(place):
    refuse(place, "--set", "data.drop_channels=[2]", says=["TOY", "channel 2", "0 to 1"])
    refuse(place, "--set", "data.drop_channels=[0, 1]", says=["TOY", "channel", "drop"])


def test_a_test_part_without_an_anomaly(copied):
    write_wide(copied, label=[0] * 330)
    refuse(copied, "--mode", "test", says=["TOY", "labelled 0", "evaluation.metrics=[]"])
    refuse(copied, says=["TOY", "labelled 0", "evaluation.metrics=[]"])


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("toy.txt", "1 2 3", ["_UCR_Anomaly_NAME_TRAIN_BEGIN_END.txt", "rename"]),
        ("001_UCR_Anomaly_X_2_3_4.txt", "1 2 x 4 5", ["'x'"]),
        ("001_UCR_Anomaly_X_2_3_9.txt", "1 2 3 4 5", ["3-9", "5 values"]),
        ("001_UCR_Anomaly_X_9_3_4.txt", "1 2 3 4 5", ["9 rows", "5 rows"]),
        ("001_UCR_Anomaly_X_2_3_4.txt", "1 2 nan 4 5", ["row 3", "finite"]),
    ],
)
def test_files_of_the_ucr_archive(place, name, text, says):
    (place.root / name).write_text(text)
    place.configure(data__format="ucr", data__file=name)
    refuse(place, says=[place.root / name, *says])


def test_the_file_of_a_series_is_not_named(place):
    place.configure(data__format="ucr")
    refuse(place, says=["'data.file'", "missing", "'ucr'"])


# The configuration

WRONG_SETTINGS = [
    ("model.ms_kernels=[2, 4]", ["ms_kernels", "decreasing"]),
    ("model.ms_kernels=[4, 4]", ["ms_kernels", "decreasing"]),
    ("model.ms_kernels=[4, 1]", ["ms_kernels", "at least 2"]),
    ("model.ms_kernels=[48, 2]", ["ms_kernels", "window", "24"]),
    ("model.ms_kernels=[]", ["model.ms_kernels"]),
    ("model.ms_kernels=4", ["model.ms_kernels"]),
    ("model.ms_kernels=[4.5, 2]", ["model.ms_kernels"]),
    ("model.n_heads=3", ["n_heads 3", "d_model 16"]),
    ("model.n_heads=0", ["model.n_heads"]),
    ("model.topk=14", ["topk 14", "13 frequencies"]),
    ("model.patch_len=25", ["patch_len 25", "seq_len 24"]),
    ("model.seq_len=many", ["model.seq_len", "'many'"]),
    ("model.seq_len=24.5", ["model.seq_len"]),
    ("model.seq_len=true", ["model.seq_len"]),
    ("model.seq_len=null", ["model.seq_len"]),
    ("model.ff_dropout=1", ["model.ff_dropout"]),
    ("model.ff_dropout=-0.1", ["model.ff_dropout"]),
    ("model.decay=.nan", ["model.decay"]),
    ("model.ms_method=max_pooling", ["model.ms_method", "'average_pooling'"]),
    ("model.d_modle=16", ["'model.d_modle'", "'d_model'"]),
    ("model.name=CrosAD", ["model.name", "'CrosAD'", "'CrossAD'"]),
    ("train.lr=1", ["'train.lr'"]),
    ("train.learning_rate=fast", ["train.learning_rate", "'fast'"]),
    ("train.learning_rate=0", ["train.learning_rate"]),
    ("train.learning_rate=.inf", ["train.learning_rate"]),
    ("train.batch_size=0", ["train.batch_size"]),
    ("train.seed=4294967296", ["train.seed"]),
    ("train.train_epochs=-1", ["train.train_epochs"]),
    ("train.lradj=type4", ["train.lradj", "'type1'"]),
    ("train.optim=sgd", ["train.optim", "'adam'"]),
    ("train.precision=fp16", ["train.precision", "'bf16'"]),
    ("data.validation_share=1", ["data.validation_share"]),
    ("data.drop_channels=[-1]", ["data.drop_channels"]),
    ("data.format=parquet", ["data.format", "'table'"]),
    ("evaluation.metrics=[auk]", ["'auk'", "'auc'"]),
    ("evaluation.window=-1", ["evaluation.window"]),
    ("evaluation.n_thresholds=1", ["evaluation.n_thresholds"]),
    ("evaluation.spot_risks=[2]", ["evaluation.spot_risks"]),
    ("trian.seed=1", ["'trian'", "'train'"]),
    ("train.seed", ["section.key=value"]),
    ("train.seed=[1", ["train.seed=[1", "YAML"]),
    ("data.name=", ["data.name"]),
    ("data.name=../elsewhere", ["data.name"]),
]


@pytest.mark.parametrize(("change", "says"), WRONG_SETTINGS, ids=[change for change, _ in WRONG_SETTINGS])
def test_settings(place, change, says):
    refuse(place, "--set", change, says=says)


def test_settings_in_the_file_name_the_file(place):
    place.configure(model__n_heads=3)
    refuse(place, says=[f"{place.config}: ", "n_heads 3"])
    place.configure(model__d_modle=16)
    refuse(place, says=[f"{place.config}: ", "'model.d_modle'", "'d_model'"])
    for key in ("seq_len", "patch_len", "ms_kernels"):
        mapping = settings()
        del mapping["model"][key]
        place.config.write_text(yaml.safe_dump(mapping))
        refuse(place, says=[f"{place.config}: ", f"'model.{key}'", "missing"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ["sections"]),
        ("just words", ["sections"]),
        ("- data\n- model\n", ["sections"]),
        ("data: [", ["YAML", "line 1"]),
        ("data:\n\tname: x\n", ["YAML", "line 2"]),
        ("data: {name: TOY}\n", ["'model'", "missing"]),
        ("model: {name: CrossAD}\n", ["'data'", "missing"]),
        ("data: {name: TOY}\nmodel: CrossAD\n", ["model"]),
        ("data: TOY\nmodel: {name: CrossAD}\n", ["data"]),
        ("data: {name: TOY}\ndata: {name: TOY}\n", ["'data'", "twice", "line 2"]),
        ("data: {name: TOY}\nmodel: {name: CrossAD}\n3: {}\n", ["section 3"]),
        ("data: {name: TOY, 3: x}\nmodel: {name: CrossAD}\n", ["data"]),
        ("data: {name: TOY}\nmodel: {name: [CrossAD]}\n", ["model.name"]),
        ("data: !!python/object/apply:os.system ['echo harm']\n", ["YAML"]),
        ("data: \0\n", ["YAML"]),
        ("a: 1\n--- \nb: 2\n", ["YAML"]),
        ("? {a: 1}\n: 2\n", ["YAML"]),
    ],
)
def test_configuration_files(place, text, says):
    place.config.write_text(text)
    refuse(place, says=[place.config, *says])


def test_configuration_files_that_cannot_be_read(place, tmp_path):
    nowhere = tmp_path / "nowhere.yaml"
    refuse(place, "--config", nowhere, says=[nowhere, "no such file"])
    (tmp_path / "empty").mkdir()
    refuse(place, "--config", tmp_path / "empty", says=[tmp_path / "empty" / "config.yaml", "no such file"])
    place.config.write_bytes(b"\xff\xfe\x80")
    refuse(place, says=[place.config, "YAML"])


# Options


def test_options(place):
    refuse(place, "--metrics", "auc", "auk", says=["'auk'", "'auc'"])
    refuse(place, "--metrics", "f1_raw", says=["f1_raw", "threshold"])
    refuse(place, "--metrics", "f1_raw", "--thresholds", "nan", says=["--thresholds", "nan"])
    refuse(place, "--mode", "evaluate", "--t", "2", says=["spot_risks", "2.0"])
    assert "at least 1" not in refuse(place, "--mode", "evaluate", "--t", "2", says=["spot_risks"])
    refuse(place, "--t", "0.1", says=["--t", "--mode evaluate"])
    refuse(place, "--mode", "test", "--checkpoint", place.path / "no.pth", says=["no.pth", "--checkpoint"])
    refuse(place, "--config", "configs/MLS", says=["did you mean configs/MSL"])
    refuse(place, "--config", "configs/UCR", says=["configs/UCR", "run_UCR.py"])
    refuse(place, "--set", "data.file=other.csv", says=["'file'", "data/NAME.csv"])
    refuse(place, "--set", "data.format=ucr", "data.file=x.txt", "data.train_rows=9", says=["'train_rows'"])
    refuse(place, "--seed", "-1", says=["seed"])
    refuse(place, "--seed", "1", "--seeds", "2", says=["--seed", "--seeds"])
    refuse(place, "--seeds", "2", "2", says=["--seeds", "unique"])
    for seed in ("-1", "4294967296"):
        refuse(place, "--seeds", "3", seed, says=[f"--seeds {seed}: ", "from 0 to 4294967295"])
    refuse(place, "--checkpoint", place.config, says=["--checkpoint", "--mode test"])
    refuse(place, "--mode", "train", "--checkpoint", place.config, says=["--checkpoint", "--mode test"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--mode train --metrics auc", "--metrics has no effect in --mode train"),
        ("--mode train --thresholds 1", "--thresholds has no effect in --mode train"),
        ("--mode train --cover_tail", "--cover_tail has no effect in --mode train"),
        ("--mode test --resume", "--resume continues training, but --mode test trains nothing"),
        ("--mode evaluate --resume", "--mode evaluate trains nothing"),
        ("--mode test --checkpoint CONFIG --seeds 1 2", "--checkpoint gives all --seeds the same weights"),
        ("--mode evaluate --t 0.1 --thresholds 1", "--thresholds are used instead of SPOT's"),
        ("--mode evaluate --t 0.1 --set evaluation.anomaly_ratio=0.1", "evaluation.anomaly_ratio sets the thresholds"),
        ("--thresholds 1", "--thresholds has no effect on auc, r_auc, vus, best_f1"),
        ("--mode evaluate --metrics vus --thresholds 1", "--thresholds has no effect on vus"),
        ("--mode test --metrics auc --thresholds 1", "affiliation"),
        ("--mode train --set evaluation.metrics=[auc]", "--set evaluation.metrics has no effect in --mode train"),
        ("--mode train --set evaluation.cover_tail=true", "--set evaluation.cover_tail has no effect in --mode train"),
        ("--set evaluation.spot_risks=[0.1]", "--set evaluation.spot_risks has no effect in --mode all"),
        ("--mode test --set evaluation.anomaly_ratio=0.1", "evaluation.anomaly_ratio has no effect in --mode test"),
        ("--mode evaluate --set evaluation.metrics=[f1_raw]", "in --mode evaluate, where --metrics names the measures"),
        ("--mode evaluate --thresholds 1 --set evaluation.anomaly_ratio=0.1", "has no effect beside --thresholds"),
        ("--mode evaluate --set evaluation.anomaly_ratio=0.1 evaluation.spot_risks=[0.1]", "evaluation.spot_risks has"),
        ("--metrics auc --set evaluation.window=5", "--set evaluation.window has no effect on auc"),
        ("--mode evaluate --set evaluation.n_thresholds=5", "n_thresholds has no effect on affiliation"),
        ("--mode test --checkpoint CONFIG --seed 7", "train.seed has no effect on the weights of --checkpoint"),
    ],
)
def test_options_without_effect(place, options, says):
    refuse(place, *options.replace("CONFIG", str(place.config)).split(), says=[says])


@pytest.mark.parametrize("mode", ["test", "evaluate"])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--seed 7", "its weights were trained with train.seed 2025, not 7"),
        ("--set train.learning_rate=0.5", "its weights were trained with train.learning_rate 0.001, not 0.5"),
    ],
)
def test_settings_of_another_training_than_that_of_the_weights(copied, mode, options, says):
    refuse(copied, "--mode", mode, *options.split(), says=[copied.results, says])
    ended = copied.run("--mode", mode, "--seed", "2025", "--set", "train.learning_rate=1e-3", "train.batch_size=16")
    assert ended.returncode == 0, ended.stderr
    assert "its weights" not in ended.stderr


def test_a_configuration_with_another_training_than_that_of_the_weights(copied):
    copied.configure(train__learning_rate=0.5)
    ended = copied.run("--mode", "test")
    assert ended.returncode == 0, ended.stderr
    assert f"{copied.results}: its weights were trained with train.learning_rate 0.001, not 0.5\n" in ended.stderr


def write_events(place, *events):
    """Write the dataset with events at rows [begin, end)."""
    label = [0] * len(values()[1])
    for begin, end in events:
        label[begin:end] = [1] * (end - begin)
    write_wide(place, label=label)


def test_events_where_nothing_is_scored(place):
    """The last whole window ends at test point 120 of 130, at row 320."""
    write_events(place, (TRAIN_ROWS + 125, TRAIN_ROWS + 130))
    refuse(place, says=["TOY: ", "test points 125 to 129, in the unscored tail of 10 points", "--cover_tail"])
    write_events(place, (20, 30), (60, 61))
    refuse(place, says=["the first at points 20 to 29 of the series, in the training part", "first 200 points"])
    place.configure(data__format="ucr", data__file="001_UCR_Anomaly_X_200_100_120.txt")
    np.savetxt(place.root / "001_UCR_Anomaly_X_200_100_120.txt", values()[0][:, 0])
    refuse(place, says=["points 100 to 119 of the series, in the training part"])


@pytest.mark.parametrize("option", [["--mode", "tset"], ["--seed", "x"], ["--sede", "1"], ["--config"]])
def test_options_that_the_parser_refuses(place, option):
    ended = place.run(*option)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("run.py: error: ")
    assert not place.save_path.exists()


def test_devices(place):
    for name in ("gpu", "cpu:0", "cuda:x", "cuda:", "", "cuda:-1", "mps:0"):
        refuse(place, "--device", name, says=[f"--device {name}", "auto, cpu, cuda, cuda:N or mps"])
    if not torch.cuda.is_available():
        refuse(place, "--device", "cuda", says=["--device cuda", "no CUDA device", "--device auto or cpu"])
        refuse(place, "--device", "cuda:1", says=["--device cuda:1", "no CUDA device"])


# Results


def test_a_file_where_the_folder_for_results_should_be(place):
    place.save_path.write_text("a file")
    refuse(place, says=[place.results, "cannot write", "--save_path"])
    refuse(place, "--save_path", place.config / "below", says=["cannot write", "--save_path"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_for_results_without_permission(place):
    place.save_path.mkdir(mode=0o500)
    refuse(place, says=[place.results, "cannot write", "--save_path"])


def test_a_damaged_record(finished, copied):
    damage = ['{"config": 3}', '{"config": {"train": 3}}', '{"trained_on": 3}', '{"scored_with": 3}']
    for text in ("{", "[]", "3", *damage):
        (copied.results / "run.json").write_text(text)
        refuse(copied, "--mode", "test", says=[copied.results / "run.json", "damaged", "delete it"])


def test_a_training_that_diverges_leaves_no_checkpoint(place):
    ended = place.run("--set", "train.learning_rate=1e30")
    assert ended.returncode == 2
    error = ended.stderr.splitlines()[-1]
    assert error.startswith("error: ")
    assert "train.learning_rate" in error
    assert {path.name for path in place.results.iterdir()} == {"run.json"}


# Checkpoints


class Harm:
    """What unpickling runs in an untrusted file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def weights_of(place):
    return torch.load(place.results / "checkpoint.pth", weights_only=True)


def test_no_checkpoint(place):
    checkpoint = place.results / "checkpoint.pth"
    for mode in ("test", "evaluate"):
        refuse(place, "--mode", mode, says=[checkpoint, "no such checkpoint", "--mode train", "--checkpoint"])
    nowhere = place.path / "nowhere.pth"
    refuse(place, "--mode", "test", "--checkpoint", nowhere, says=[nowhere, "no such checkpoint"])
    refuse(place, "--mode", "test", "--checkpoint", place.path, says=[place.path, "no such checkpoint"])
    assert not place.save_path.exists()
    inside = place.path / "checkpoint.pth"
    inside.touch()
    refuse(place, "--mode", "test", "--checkpoint", place.path, says=[f"no such checkpoint: name {inside}"])


@pytest.mark.parametrize("kept", [0, 1, 10, 1000, 0.5, 0.99])
def test_truncated_checkpoints(copied, kept):
    checkpoint = copied.results / "checkpoint.pth"
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    refuse(copied, "--mode", "test", says=[checkpoint, "truncated", "retrain"])


@pytest.mark.parametrize("content", [b"hello\n", b"{}", b"\x80\x02.", b"\x80\x04]\x94.", b"h\n\x00", b"PK\x03\x04" * 9])
def test_files_that_are_no_checkpoints(copied, content):
    other = copied.path / "other.pth"
    other.write_bytes(content)
    refuse(copied, "--mode", "test", "--checkpoint", other, says=[other, "--checkpoint"])


def test_checkpoints_with_code_are_not_run(copied, tmp_path):
    other, mark = tmp_path / "other.pth", tmp_path / "mark"
    for write in (
        lambda: other.write_bytes(pickle.dumps(Harm(mark))),
        lambda: torch.save({"weights": Harm(mark)}, other),
    ):
        write()
        refuse(copied, "--mode", "test", "--checkpoint", other, says=[other, "not a checkpoint"])
        assert not mark.exists()
    refuse(copied, "--mode", "test", "--checkpoint", __file__, says=[__file__])


def test_checkpoints_of_another_configuration(copied):
    checkpoint = copied.results / "checkpoint.pth"
    says = [checkpoint, "another configuration", "model.d_model 16 vs. 32"]
    refuse(copied, "--mode", "test", "--set", "model.d_model=32", says=says)
    refuse(copied, "--mode", "test", "--set", "model.topk=4", says=[checkpoint, "another configuration", "model.topk"])


def saved(place, content):
    other = place.path / "other.pth"
    torch.save(content, other)
    return other


def test_published_checkpoints_that_do_not_fit(copied):
    model = {key: value for key, value in settings()["model"].items() if key != "name"}
    network = CrossAD(CrossADConfig.from_dict(model))
    official = network.official_state_dict()
    key = next(name for name in official if name.endswith("W_Q.weight"))
    wrong = {
        "another width": {**official, key: torch.zeros(8, 8)},
        "a key too few": {name: value for name, value in official.items() if name != key},
        "a key too many": {**official, "extra.weight": torch.zeros(3)},
        "no tensor": {**official, key: 3},
        "no weights": {},
        "other names": {3: torch.zeros(3)},
        "a list": [1, 2],
    }
    for content in wrong.values():
        other = saved(copied, content)
        refuse(copied, "--mode", "test", "--checkpoint", other, says=[other])


def test_checkpoints_of_this_project_that_do_not_fit(copied):
    content = weights_of(copied)
    name = next(iter(content["weights"]))
    wrong = {
        "a key too few": {
            **content,
            "weights": {key: value for key, value in content["weights"].items() if key != name},
        },
        "another shape": {**content, "weights": {**content["weights"], name: torch.zeros(3)}},
        "no tensor": {**content, "weights": {**content["weights"], name: "text"}},
        "no names": {**content, "weights": [1]},
        "no model": {"weights": content["weights"]},
    }
    for changed_content in wrong.values():
        other = saved(copied, changed_content)
        refuse(copied, "--mode", "test", "--checkpoint", other, says=[other])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(copied, value):
    content = weights_of(copied)
    content["weights"]["decoder.projection.weight"][0, 0] = value
    other = saved(copied, content)
    refuse(copied, "--mode", "test", "--checkpoint", other, says=[other, "NaN or infinity"])


def test_values_too_far_to_be_scored(copied):
    write_wide(copied, a=changed("a", TRAIN_ROWS + 3, 1e30))
    refuse(copied, "--mode", "test", says=["TOY: the test part", "channel 'a' holds 1e+30", "too far"])


def test_states_that_are_no_states(copied):
    state = copied.results / "training_state.pth"
    for content in (b"", b"hello\n", (copied.results / "checkpoint.pth").read_bytes()):
        state.write_bytes(content)
        refuse(copied, "--resume", says=[state, "train"])


def test_through_the_real_command(place):
    ended = run_command(*place.arguments("--set", "model.n_heads=3"))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert (
        ended.stderr == f"error: {place.config} with --set model.n_heads=3: model: n_heads 3 must divide d_model 16\n"
    )
    assert not place.save_path.exists()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a_gt.npy"), ["No space left", "a_gt.npy"]),
        (MemoryError(), ["memory", "train.batch_size"]),
        (torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate"), ["memory", "train.batch_size"]),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), ["memory", "train.batch_size"]),
    ],
)
def test_a_machine_that_fails(place, monkeypatch, capsys, fault, says):
    def fail(*_):
        raise fault

    monkeypatch.setattr("exp.cli.run.read_series", fail)
    assert main(place.arguments()) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert all(text in error for text in says)


@pytest.mark.parametrize("fault", [KeyError("x"), RuntimeError("shapes"), ValueError("x")])
def test_faults_of_the_program_keep_their_traceback(place, monkeypatch, fault):
    def fail(*_):
        raise fault

    monkeypatch.setattr("exp.cli.run.read_series", fail)
    with pytest.raises(type(fault)):
        main(place.arguments())
