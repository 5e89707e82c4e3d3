"""What the shell completes."""

from typer.testing import CliRunner

from alexnet.cli import app


def completed(*words: str) -> list[str]:
    """As bash asks for it."""
    asked = {
        "_ALEXCTL_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["alexctl", *words]),
        "COMP_CWORD": str(len(words)),
    }
    return CliRunner().invoke(app, prog_name="alexctl", env=asked).stdout.split()


def test_recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").touch()
    (tmp_path / "notes.txt").touch()
    assert completed("recipes", "alexnet-m") == ["alexnet-mini"]
    assert completed("train", "--recipe", "one") == ["one-weird-trick"]
    assert completed("bench", "--recipe", "mi") == ["mine.toml"]


def test_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs/one", "runs/two", "elsewhere/three"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "log.jsonl").touch()
    assert completed("eval", "runs/o") == ["runs/one"]
    assert completed("predict", "ru") == ["runs/one", "runs/two", "runs"]
    assert completed("report", "else") == ["elsewhere"] and completed("serve", "elsewhere/") == ["elsewhere/three"]
