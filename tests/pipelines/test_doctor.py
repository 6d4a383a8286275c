"""`flamecast doctor` says what is wrong and what to do, and never fails itself."""

from __future__ import annotations

import ctypes
import sys
from importlib.metadata import EntryPoint, PackageNotFoundError, version
from types import SimpleNamespace

import pytest

from flamecast.core import plugins
from flamecast.core.extras import how_to_install
from flamecast.pipelines import doctor


def findings() -> dict[str, doctor.Finding]:
    return {finding.subject: finding for finding in doctor.examine()}


def test_every_requirement_library_and_plug_in_has_its_line(capsys):
    found = findings()
    assert {"python", "torch", "mediapipe", "codecs", "compiled kernels", "driver video", "head open"} <= set(found)
    assert not any(finding.fatal for finding in found.values())
    assert doctor.print_report() == 0
    assert len(capsys.readouterr().out.splitlines()) == len(found)


@pytest.mark.parametrize(
    ("name", "installed", "advice"),
    [
        ("av", None, "pip install -c constraints.txt av"),
        ("numpy", "2.1.0", "numpy<2"),
        ("mediapipe", "0.10.30", "mediapipe==0.10.21"),
    ],
)
def test_a_missing_or_wrong_package_is_fatal(monkeypatch, name, installed, advice):
    def pretended(package: str) -> str:
        if package == name and installed is None:
            raise PackageNotFoundError(name)
        return installed if package == name else version(package)

    monkeypatch.setattr(doctor, "version", pretended)
    assert findings()[name].fatal and advice in findings()[name].advice
    assert doctor.print_report() == 1


def test_torchvision_should_be_uninstalled(monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda name: "0.1" if name == "torchvision" else version(name))
    assert "uninstall" in findings()["torchvision"].advice and not findings()["torchvision"].fatal


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the libraries are Linux's")
def test_a_missing_system_library_names_its_package(monkeypatch):
    def absent(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", absent)
    found = dict(zip(doctor._SHARED, doctor._system_libraries(), strict=True))
    assert found["libGL.so.1"].fatal and found["libGL.so.1"].advice == "apt install libgl1"


@pytest.mark.parametrize("name", ["torch", "av", "flamecast.renderer.rasterizers.numba_rasterizer"])
def test_what_does_not_load_is_reported(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)  # importing it raises ImportError
    assert any(finding.fatal and "not load" in finding.state for finding in (
        doctor._accelerator(), doctor._kernel_cache(), doctor._codecs()
    ))  # fmt: skip


def test_a_broken_plug_in_is_reported_and_nothing_else_breaks(monkeypatch):
    broken = EntryPoint("telepathy", "no_such_package:Driver", "flamecast.drivers")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [broken] if group == "flamecast.drivers" else [])
    (finding,) = doctor._plug_ins()
    assert finding.subject == "driver telepathy" and "no_such_package" in finding.state and not finding.fatal


def test_every_rasterizer_is_listed_and_those_that_lack_a_package_say_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "warp", None)  # as if it were not installed
    found = findings()
    assert found["rasterizer numba"] == doctor.Finding("rasterizer numba", "loads")
    assert "lacks its package" in found["rasterizer cuda"].state and not found["rasterizer cuda"].fatal
    assert {f"rasterizer {name}" for name in ("torch", "pytorch3d", "nvdiffrast")} <= set(found)
    doctor.print_report()
    assert how_to_install("cuda") in capsys.readouterr().out  # [cuda] is no markup


def test_kernels_that_cannot_be_kept_are_said(monkeypatch):
    import flamecast.renderer.rasterizers.numba_rasterizer as rasterizer

    monkeypatch.setattr(rasterizer, "_rasterize", SimpleNamespace(stats=SimpleNamespace(cache_path=None)))
    assert "NUMBA_CACHE_DIR" in doctor._kernel_cache().advice


def test_an_extra_that_is_not_installed_is_said_and_breaks_nothing(monkeypatch):
    there = doctor._installed
    monkeypatch.setattr(doctor, "_installed", lambda name: name != "gradio" and there(name))
    found = {each.subject: each for each in doctor.examine()}
    assert found["extra app"].state == "not installed (gradio), and not needed" and not found["extra app"].fatal
    assert found["extra app"].advice == how_to_install("app")
    assert "extra test" not in found and "extra dev" not in found
