"""Chroma with its own embedding function: ONNX Runtime, no torch. prepare.py puts our weights where it looks first."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

spec = spec_from_file_location("chroma_peer", Path(__file__).parents[1] / "chroma" / "peer.py")
assert spec is not None
assert spec.loader is not None
chroma = module_from_spec(spec)
spec.loader.exec_module(chroma)


def embedding_function() -> Any:
    """Load Chroma's default."""
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

    return ONNXMiniLM_L6_V2(preferred_providers=["CPUExecutionProvider"])


vars(chroma)["embedding_function"] = embedding_function  # the one difference
bulk, build, update, open_index, serve = chroma.bulk, chroma.build, chroma.update, chroma.open_index, chroma.serve
