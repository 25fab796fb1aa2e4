import pytest

from ts_ad_evaluation.files import replacing


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "figure.txt"
    path.write_text("old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_success_replaces_the_file(tmp_path):
    path = tmp_path / "figure.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_is_named(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="there is no folder"),
        replacing(tmp_path / "absent" / "figure.txt"),
    ):
        pass


def test_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "figure.txt").mkdir()
    with pytest.raises(IsADirectoryError, match=r"figure\.txt cannot be written"), replacing(tmp_path / "figure.txt"):
        pass
