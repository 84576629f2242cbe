from __future__ import annotations

import struct
import xml.etree.ElementTree as ET

import pytest
from jupyter_client.kernelspec import KernelSpec

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def kernelspec(packages):
    return packages["coderemote_kernel"] / "kernelspec"


def test_jupyter_reads_the_kernelspec(kernelspec):
    spec = KernelSpec.from_resource_dir(str(kernelspec))

    assert spec.display_name == "Python (coderemote)"
    assert spec.language == "python"
    # A signal would reach the relay only; a message is handed on into the jail.
    assert spec.interrupt_mode == "message"
    # "python" is what a Jupyter Server replaces by its own interpreter; -P keeps the notebook's
    # folder, and what a stranger put there, off the relay's path.
    assert spec.argv == ["python", "-P", "-m", "coderemote_kernel", "-f", "{connection_file}"]
    assert spec.metadata["debugger"] is True


@pytest.mark.parametrize("size", [32, 64])
def test_logos_have_the_size_their_name_says(kernelspec, size):
    head = (kernelspec / f"logo-{size}x{size}.png").read_bytes()[:24]

    assert head.startswith(PNG_MAGIC)
    assert struct.unpack(">II", head[16:24]) == (size, size)


def test_the_drawing_is_well_formed(kernelspec):
    assert ET.parse(kernelspec / "logo-svg.svg").getroot().get("viewBox") == "0 0 64 64"
