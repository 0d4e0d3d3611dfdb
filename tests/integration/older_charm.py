"""The integrator as older revisions published, with today's endpoints and options."""

from __future__ import annotations

import pathlib
import zipfile

import yaml

ROOT = pathlib.Path(__file__).parents[2]


def pack(folder: pathlib.Path) -> pathlib.Path:
    """Pack it into a folder, and return where it stands."""
    project = yaml.safe_load((ROOT / "charmcraft.yaml").read_text())
    kept = ("name", "summary", "description", "assumes", "provides", "peers")
    options = yaml.safe_load((ROOT / "config.yaml").read_text())["options"]
    del options["tls_ca_chain"]
    packed = folder / "older-smtp-integrator.charm"
    with zipfile.ZipFile(packed, "w") as charm:
        charm.write(pathlib.Path(__file__).parent / "older" / "dispatch", "dispatch")
        charm.writestr("metadata.yaml", yaml.safe_dump({key: project[key] for key in kept}))
        charm.writestr("config.yaml", yaml.safe_dump({"options": options}))
        bases = [{"name": "ubuntu", "channel": "22.04", "architectures": ["amd64", "arm64"]}]
        charm.writestr("manifest.yaml", yaml.safe_dump({"bases": bases}))
    return packed
