from __future__ import annotations

from html.parser import HTMLParser

import pytest

from skysift.pipeline import process
from skysift.report import write_report
from skysift.simulate import SceneConfig, simulate


class Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.images: list[str] = []
        self._tag = ""

    def handle_starttag(self, tag, attrs):
        self._tag = tag
        if tag == "img":
            self.images.append(dict(attrs)["src"])

    def handle_data(self, data):
        if self._tag == "h2" and data.strip():
            self.headings.append(data.strip())


@pytest.fixture(scope="module")
def results():
    exposure, truth = simulate(SceneConfig(width=512, height=512, stars=250, galaxies=150, seed=3))
    empty, nothing = simulate(SceneConfig(width=64, height=64, stars=0, galaxies=0, cosmic_rays=0, seed=3))
    return {"field": process(exposure), "empty <&> field": process(empty)}, {"field": truth, "empty <&> field": nothing}


def test_report_has_every_picture_and_needs_no_other_file(results, tmp_path):
    path = write_report({"field": results[0]["field"]}, tmp_path / "r.html", truths=results[1])
    outline = Outline()
    outline.feed(path.read_text())
    for wanted in (
        "Image and sources",
        "Background",
        "PSF across the field",
        "PSF residuals",
        "Stars and galaxies",
        "Counts and depth",
        "Completeness against truth",
        "Errors against truth",
    ):
        assert wanted in outline.headings
    assert all(source.startswith("data:image/png;base64,") for source in outline.images)
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_an_empty_image_has_a_report_and_names_are_escaped(results, tmp_path):
    text = write_report(results[0], tmp_path / "r.html", truths=results[1]).read_text()
    assert "empty &lt;&amp;&gt; field" in text
    assert "<&>" not in text
