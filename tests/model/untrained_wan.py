"""The files of a pocket Wan with random weights, as `train_pocket.py export` writes them.

python tests/model/untrained_wan.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path


def write_untrained(folder: Path) -> None:
    """Write both files; inside ComfyUI."""
    import torch

    from pocket_files import constants, files, write
    from train_pocket import build

    torch.manual_seed(0)
    for what in ("wan", "wan-vae"):
        network, _ = build(what)
        if what == "wan":
            for weight in network.parameters():
                if not weight.any():  # what starts as zero would make every block an identity
                    torch.nn.init.normal_(weight, std=0.1)
        for name, weights in files(what, network.state_dict()):
            write(folder / f"{name}.safetensors", weights, constants(what))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
    import host

    host.run_inside(cpu=True)
    write_untrained(Path(sys.argv[1]))
