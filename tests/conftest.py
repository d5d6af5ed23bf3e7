"""Fixtures for every floor: the repository's own sheet, and an index of it, built once a test run."""

import os
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[1]
os.environ.setdefault("MUNDAP_JOURNAL", "off")  # no test writes into the checkout, nor does a process that it starts


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The public data packs; tests that need them skip where they are not beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the public data packs in ../shared/data")
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of data/qa.csv with the default settings; read-only, shared by all workers of a run."""
    from indexer.build import build_index

    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = base / "built-index"
    with FileLock(base / "built-index.lock.test"):
        build_index(ROOT / "data/qa.csv", folder)
    return folder


SMALL = """id,entry,question,answer,lang,url
r1,refund,How do I get a refund?,Ask within 7 days.,en,https://example.com/refund
r2,refund,Can I have my money back?,Ask within 7 days.,en,https://example.com/refund
p1,password,I forgot my password,Press Forgot password.,en,
p2,password,reset password,Press Forgot password.,en,
k1,refund-ko,환불은 어떻게 받나요?,7일 안에 신청하시면 됩니다.,ko,https://example.com/ko
k2,certificate-ko,수료증은 어디서 받나요?,마이페이지에서 내려받으세요.,ko,
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A sheet of six rows and four entries."""
    path = tmp_path / "small.csv"
    path.write_text(SMALL, encoding="utf-8")
    return path
