"""The commit that results name is that of the code that made them."""

from exp.training import provenance


def test_installed_packages_have_no_commit_even_within_a_repository(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", provenance.ROOT / "exp")  # within a clone, but not its top
    assert provenance.git_commit() is None
