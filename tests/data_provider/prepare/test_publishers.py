import pytest

from data_provider.prepare import NAMES, publishers


@pytest.mark.parametrize("name", NAMES)
def test_every_dataset_is_fetched_or_given_on_request(name):
    found = publishers.mirrors(name)
    assert bool(found) != (name in publishers.ON_REQUEST)
    assert len({mirror.folder for mirror in found}) == len(found)
    for mirror in found:
        assert all(file.address.startswith("https://") for file in mirror.files)
        assert len({file.place for file in mirror.files}) == len(mirror.files)


@pytest.mark.parametrize(
    ("name", "servers", "places"),
    [
        ("SMD", ["machine-1-6"], [f"{part}/machine-1-6.txt" for part in ("train", "test", "test_label")]),
        ("ASD", ["omi-1"], [f"processed/omi-1_{part}.pkl" for part in ("train", "test", "test_label")]),
    ],
)
def test_only_the_named_servers_are_fetched(name, servers, places):
    (mirror,) = publishers.mirrors(name, servers)
    events = f"interpretation_label/{servers[0]}.txt"
    assert [file.place for file in mirror.files] == [*places, events]
    (everything,) = publishers.mirrors(name, ["all"])
    assert {file.place for file in mirror.files} < {file.place for file in everything.files}
    assert len(everything.files) == 4 * (28 if name == "SMD" else 12)
