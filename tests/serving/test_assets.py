"""The page's files: what it loads is there, it loads nothing from elsewhere, and its policy needs no exception."""

import re

from clipsum.serving.assets import PAGE_HEADERS, assets

REFERENCE = re.compile(r"""(?:src|href)="([^"#]*)"|from "([^"]+)"|url\(([^)]*)\)|fetch\("([^"]+)""")


def references(body: bytes) -> list[str]:
    return ["".join(found) for found in REFERENCE.findall(body.decode())]


def test_everything_the_page_loads_is_served_beside_it_by_a_relative_path() -> None:
    page = assets()["/"].body.decode()
    loaded = [name for name in references(page.encode()) if name not in ("data:,", "openapi.json")]
    assert sorted(loaded) == ["page/page.css", "page/page.js"]
    inner = {name for path, asset in assets().items() if path.endswith(".js") for name in references(asset.body)}
    assert inner - {"v1/summaries"} == {"./draw.js", "./player.js", "./result.js", "./stream.js"}
    assert {f"/page/{name.removeprefix('./').removeprefix('page/')}" for name in [*inner, *loaded]} - {
        "/page/v1/summaries"
    } == assets().keys() - {"/"}


def test_no_file_of_the_page_has_an_inline_script_style_or_handler() -> None:
    page = assets()["/"].body.decode()
    assert not re.search(r"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=", page)
    assert "unsafe" not in PAGE_HEADERS["Content-Security-Policy"]
    scripts = b"".join(asset.body for path, asset in assets().items() if path.endswith(".js"))
    assert not re.search(rb"innerHTML|outerHTML|insertAdjacentHTML|\beval\b|document\.write", scripts)


def test_the_files_are_part_of_the_package_that_is_built() -> None:
    import tomllib
    from pathlib import Path

    pattern = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["tool"]["setuptools"][
        "package-data"
    ]["clipsum"]
    assert "serving/page/*" in pattern


def test_the_page_is_small_enough_for_a_telephone() -> None:
    assert sum(len(asset.body) for asset in assets().values()) < 50_000
