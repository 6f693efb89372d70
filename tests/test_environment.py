"""The three lists of packages agree: pyproject.toml, constraints.txt, environment.yml."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"matplotlib-base": "matplotlib", "playwright-python": "playwright"}
NOT_PACKAGES_OF_OURS = {"python", "pip"}


def wanted():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["test"]
    return {canonicalize_name(r.name): r.specifier for r in map(Requirement, lines)}


def pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin.specifier for pin in pins}


def conda():
    lines = re.findall(r"^ +- ([\w-]+[^:\s]*)$", (ROOT / "environment.yml").read_text(), re.M)
    requirements = [
        Requirement(line) for line in lines if not line.startswith(("-e", "conda-forge"))
    ]
    names = {CONDA_NAMES.get(r.name, r.name): r.specifier for r in requirements}
    return {canonicalize_name(n): s for n, s in names.items() if n not in NOT_PACKAGES_OF_OURS}


def test_conda_and_pip_ask_for_the_same_packages():
    assert conda() == wanted()


def test_every_dependency_is_pinned_to_one_allowed_version():
    pins = pinned()
    for name, allowed in wanted().items():
        (pin,) = pins[name]
        assert pin.operator == "=="
        assert pin.version in allowed, f"{name} {pin.version} does not satisfy {allowed}"
