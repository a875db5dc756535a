"""The page's files: what it loads is there, it loads nothing from elsewhere, and its policy needs no exception."""

import re

from clipsum.serving.assets import assets

REFERENCE = re.compile(r"""(?:src|href)="([^"#]*)"|from "([^"]+)"|url\(([^)]*)\)|fetch\("([^"]+)""")


def references(body: bytes) -> list[str]:
    return ["".join(found) for found in REFERENCE.findall(body.decode())]


def test_everything_the_pages_load_is_served_beside_them_by_a_relative_path() -> None:
    files = assets()
    loaded = {path: references(files[path].body) for path in ("/", "/docs")}
    assert sorted(loaded["/"]) == ["data:,", "docs", "page/page.css", "page/page.js"]
    assert sorted(loaded["/docs"]) == [
        *(".", "data:,", "openapi.json", "openapi.json", "page/docs.css", "page/docs.js", "page/page.css")
    ]
    inner = {name for path, asset in files.items() if path.endswith(".js") for name in references(asset.body)}
    asked = {"v1/summaries", "openapi.json"}
    assert inner - asked == {"./draw.js", "./player.js", "./result.js", "./stream.js"}
    names = {name.removeprefix("page/") for name in [*loaded["/"], *loaded["/docs"]] if name.startswith("page/")}
    names |= {name.removeprefix("./") for name in inner - asked}
    assert {f"/page/{name}" for name in names} == files.keys() - {"/", "/docs"}


def test_no_file_of_the_pages_has_an_inline_script_style_or_handler() -> None:
    for path in ("/", "/docs"):
        asset = assets()[path]
        assert not re.search(r"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=", asset.body.decode())
        assert "unsafe" not in asset.headers["Content-Security-Policy"]
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
    assert sum(len(asset.body) for path, asset in assets().items() if "docs" not in path) < 50_000
