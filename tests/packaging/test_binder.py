from __future__ import annotations

import sys
from pathlib import Path

import yaml


def test_repo2docker_accepts_the_configuration(root, run_program):
    # --no-build prints the Dockerfile and stops. It needs no Docker, and takes a local path as is.
    repo2docker = Path(sys.executable).with_name("jupyter-repo2docker")

    dockerfile = run_program(repo2docker, "--no-build", "--debug", ".").splitlines()

    assert any(line.startswith("FROM ") for line in dockerfile)
    assert any('--file "binder/environment.yml"' in line for line in dockerfile)
    assert "RUN ./binder/postBuild" in dockerfile
    assert any("R2D_ENTRYPOINT" in line and "binder/start" in line for line in dockerfile)
    assert any(line.startswith("ENTRYPOINT ") for line in dockerfile)


def test_binder_gets_a_python_and_a_node_that_we_support(root):
    wanted = yaml.safe_load((root / "binder" / "environment.yml").read_text("utf-8"))

    assert "python=3.12" in wanted["dependencies"]
    assert "nodejs=20" in wanted["dependencies"]
