"""The links of the built documentation are followed."""

from pathlib import Path

from tools.site import problems

PAGE = """
<h1 id="top">A page</h1><a href="../other/">well</a> <a href="../other/#part">well</a> <a href="#top">well</a>
<a href="https://example.org/">elsewhere</a> <link rel="canonical" href="https://example.org/page/">
<a href="../nowhere/">no page</a> <a href="../other/#nothing">no part</a> <a href="../../source.py">no file</a>
<script src="https://cdn.example.org/fast.js"></script> <img src="../picture.png">
"""


def test_a_link_leads_to_a_file_and_to_something_of_its_name(tmp_path: Path) -> None:
    """All others are told of, and so is what a reader without a network would lack."""
    for name, text in {"page": PAGE, "other": '<h2 id="part">Part</h2>'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(text)
    assert list(problems(tmp_path)) == [
        "/page/: ../nowhere/ leads nowhere",
        "/page/: ../other/#nothing leads to nothing of this name",
        "/page/: ../../source.py leads nowhere",
        "/page/ needs https://cdn.example.org/fast.js",
        "/page/: ../picture.png leads nowhere",
    ]
