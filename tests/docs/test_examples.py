"""Every code block of the documentation runs, and every command in it is understood."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

from skysift.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "docs/quickstart.md", "docs/files.md", "docs/python.md", "docs/coming-from.md"]
ALL_PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples" / "skysift-plugin-example" / "README.md"]


def code_blocks(path: Path) -> list[str]:
    """Python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def commands(path: Path) -> list[str]:
    """Lines of shell that call skysift."""
    return [line.strip() for line in path.read_text().splitlines() if re.match(r"    skysift \w", line)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with what the pages assume: an image, and what `skysift process` made of it."""
    from skysift.io import write_exposure
    from skysift.simulate import SceneConfig, simulate

    folder = tmp_path_factory.mktemp("pages")
    exposure, _ = simulate(SceneConfig(width=500, height=500, stars=350, galaxies=150, seed=2))
    write_exposure(exposure, folder / "image.fits")
    with pytest.raises(SystemExit) as stop:
        main(["process", str(folder / "image.fits"), "-q"])
    assert stop.value.code == 0
    return folder


def test_process_writes_what_the_readme_lists(folder):
    listed = set(re.findall(r"^\| `(image\.[\w.]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert len(listed) == 4
    assert listed == {path.name for path in folder.iterdir()} - {"image.fits"}


@pytest.mark.parametrize("page", PAGES)
def test_code_blocks_run(page, folder, tmp_path, monkeypatch, capsys):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    blocks = code_blocks(ROOT / page)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    if page == "README.md":
        assert len(names["table"]) == len(names["result"].catalog) > 50
    elif page == "docs/quickstart.md":
        assert 10 < len(names["stars"]) < len(names["good"]) <= len(names["sources"])
        assert names["magnitudes"].shape == (len(names["sources"]), 2)
        assert names["table"]["ra"].unit == "deg"
    elif page == "docs/files.md":
        assert len(list(tmp_path.glob("copy.*"))) == 5
    elif page == "docs/coming-from.md":
        assert len(names["footprints"]) == len(names["again"]) == 1
    else:
        assert len(names["sources"]) > 20
        assert len(names["i"]) > 0.5 * len(names["catalog"])
        assert "no_such_file.fits" in capsys.readouterr().out


def test_commands_are_found_in_the_pages():
    assert {line.split()[1] for page in ALL_PAGES for line in commands(page)} >= set(COMMANDS) - {"demo"}


@pytest.mark.parametrize("line", sorted({line for page in ALL_PAGES for line in commands(page)}))
def test_commands_are_understood(line, tmp_path, monkeypatch):
    """The options exist, and configuration fields too."""
    from importlib import import_module

    from skysift.pipeline import ProcessConfig, apply_overrides

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_config.py").write_text("config.detection.threshold = 4\n")
    (tmp_path / "plugins.py").write_text("")
    for name in ("image.fits", "image.exposure.fits", "weight.fits", "psf.fits"):
        (tmp_path / name).touch()
    words = shlex.split(line, comments=True)[1:]
    command = import_module(f"skysift.cli.{words[0]}").command
    with click.Context(click.Command("skysift"), obj={"debug": False}) as parent:
        context = command.make_context(words[0], words[1:], parent=parent)
    if context.params.get("overrides") or context.params.get("config_files"):
        apply_overrides(ProcessConfig(), context.params["overrides"], context.params["config_files"])


def test_overrides_in_tables_are_understood():
    from skysift.pipeline import ProcessConfig, apply_overrides

    texts = [text.strip("'") for page in ALL_PAGES for text in re.findall(r"`-c ('[^']+'|[^`]+)`", page.read_text())]
    complete = [text for text in texts if re.search(r"=.", text)]
    assert len(complete) >= 5
    for text in complete:
        apply_overrides(ProcessConfig(), [text])
    for text in set(texts) - set(complete):
        apply_overrides(ProcessConfig(), [f"{text}4"])


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if {"_generated", "_build"} & set(page.parts):
            continue
        for target in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
