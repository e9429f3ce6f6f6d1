"""Palettes as colour-blind readers see them: simulated by colorspacious, compared in CAM02-UCS."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from colorspacious import cspace_convert, deltaE
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from synthetic_atoms.figures import claims, descriptors, gpr, maps, pretraining, style

VISION = {
    "usual": "sRGB1",
    **{
        kind: {"name": "sRGB1+CVD", "cvd_type": kind, "severity": 100}
        for kind in ("protanomaly", "deuteranomaly", "tritanomaly")
    },
}
PALETTES = {
    "models": style.MODEL_COLOURS.values(),
    "coordination": style.COORDINATION_COLOURS.values(),
    "SOAP settings": descriptors.SETTING_COLOURS.values(),
    "estimators": gpr.ESTIMATOR_COLOURS.values(),
    "ways of training": pretraining.COLOURS.values(),
    "verdicts": [colour for colour, _ in claims.LOOKS.values()],
    "clusters": maps.CLUSTER_COLOURS,
}
APART = 8.0
"""Distance in CAM02-UCS below which neighbouring marks look alike; a just noticeable difference is about 1."""


def seen(colours, vision) -> np.ndarray:
    """Colours in sRGB1 as someone sees them."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    return rgb if vision == "sRGB1" else np.clip(cspace_convert(rgb, vision, "sRGB1"), 0, 1)


@pytest.mark.parametrize("vision", VISION.values(), ids=VISION)
@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_colours_of_a_palette_can_be_told_apart(palette, vision):
    colours = list(palette)
    found = seen(colours, vision)
    distances = {
        (colours[i], colours[j]): float(deltaE(found[i], found[j], input_space="sRGB1"))
        for i, j in itertools.combinations(range(len(colours)), 2)
    }
    assert {pair: round(value, 1) for pair, value in distances.items() if value < APART} == {}


def test_the_measure_finds_red_and_green_alike():
    red, green = seen(["#A45A00", "#6B7A00"], VISION["deuteranomaly"])
    assert float(deltaE(red, green, input_space="sRGB1")) < APART


@pytest.mark.parametrize("vision", VISION.values(), ids=VISION)
def test_the_scale_of_energies_grows_lighter_for_everyone(vision):
    rgb = seen(colormaps["viridis"](np.linspace(0, 1, 33))[:, :3], vision)
    lightness = cspace_convert(rgb, "sRGB1", "CAM02-UCS")[:, 0]
    assert (np.diff(lightness) > 0).all()
