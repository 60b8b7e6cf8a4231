"""Star selectors and reserved stars."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.characterize import (
    ObjectSizeNoGoodSourcesError,
    ObjectSizeNoSourcesError,
    reserve_sources,
    select_object_size,
    select_science,
    select_sources,
)
from skysift.characterize.config import MeasurePsfConfig, ReserveSourcesConfig
from skysift.characterize.selector_config import ObjectSizeStarSelectorConfig, ScienceSourceSelectorConfig

from .conftest import make_catalog


def sized(widths, flux=1e5):
    catalog = make_catalog(len(widths))
    catalog["base_SdssShape_xx"] = np.square(widths)
    catalog["base_SdssShape_yy"] = np.square(widths)
    catalog["base_PsfFlux_instFlux"] = flux
    catalog["base_PsfFlux_instFluxErr"] = 100.0
    return catalog


def test_stars_are_the_smallest_common_size():
    rng = np.random.default_rng(0)
    stars, galaxies = rng.normal(1.6, 0.03, 60), rng.uniform(2.2, 5.0, 90)
    selected = select_object_size(sized(np.concatenate([stars, galaxies])))
    assert selected[:60].all()
    assert not selected[60:].any()


@pytest.mark.parametrize("flag", ObjectSizeStarSelectorConfig().badFlags)
def test_flagged_sources_are_left_out(flag):
    catalog = sized(np.full(20, 1.5))
    catalog[flag][3] = True
    selected = select_object_size(catalog)
    assert not selected[3]
    assert selected.sum() == 19


def test_limits_of_flux_width_and_signal_to_noise():
    catalog = sized([1.5] * 6, flux=[1e5, 4e3, 2e4, 9e5, np.nan, 1e5])
    catalog["base_SdssShape_xx"][5] = np.nan
    assert select_object_size(catalog).tolist() == [True, False, True, True, False, False]
    config = ObjectSizeStarSelectorConfig(doFluxLimit=True, fluxMax=5e5, signalToNoiseMax=500.0)
    assert select_object_size(catalog, config).tolist() == [False, False, True, False, False, False]
    with pytest.raises(ObjectSizeNoGoodSourcesError):
        select_object_size(sized([0.3, 20.0]))


def test_nothing_to_select_from():
    with pytest.raises(ObjectSizeNoSourcesError):
        select_object_size(make_catalog(0))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.91, 9.9), min_size=1, max_size=40))
def test_some_of_any_sizes_are_selected(widths):
    selected = select_object_size(sized(widths))
    assert 1 <= selected.sum() <= len(widths)


def test_science_demands_nothing_by_default():
    assert select_science(make_catalog(3)).all()
    assert select_science(make_catalog(0)).shape == (0,)


def test_science_demands():
    catalog = make_catalog(4)
    catalog["base_CircularApertureFlux_12_0_instFlux"] = [1.0, 5.0, 9.0, np.nan]
    catalog["base_CircularApertureFlux_12_0_flag"] = [False, False, True, False]
    config = ScienceSourceSelectorConfig(doFluxLimit=True)
    assert select_science(catalog, config).tolist() == [True, True, False, False]
    config.fluxLimit.minimum = 1.0
    assert select_science(catalog, config).tolist() == [False, True, False, False]

    catalog["calib_psf_used"] = [True, True, False, False]
    catalog["base_PixelFlags_flag_edge"] = [True, False, False, False]
    flags = ScienceSourceSelectorConfig(doFlags=True)
    flags.flags.good = ["calib_psf_used"]
    assert select_science(catalog, flags).tolist() == [False, True, False, False]

    catalog["base_PsfFlux_instFlux"] = [100.0, 300.0, 200.0, 500.0]
    catalog["base_PsfFlux_instFluxErr"] = [1.0, 1.0, 0.0, np.nan]
    ratio = ScienceSourceSelectorConfig(doSignalToNoise=True)
    ratio.signalToNoise.minimum = 200.0
    assert select_science(catalog, ratio).tolist() == [False, True, False, False]

    catalog["base_ClassificationSizeExtendedness_value"] = [0.0, 0.5, 0.05, np.nan]
    assert select_science(catalog, ScienceSourceSelectorConfig(doUnresolved=True)).tolist() == [True, False, True, False]

    catalog["parent"] = [0, 7, 0, 0]
    catalog["deblend_nChild"] = [0, 0, 2, 0]
    assert select_science(catalog, ScienceSourceSelectorConfig(doIsolated=True)).tolist() == [True, False, False, True]

    catalog["coord_ra"], catalog["coord_dec"] = [0.1, np.nan, 0.1, 0.1], [0.1, 0.1, 0.1, np.inf]
    assert select_science(catalog, ScienceSourceSelectorConfig(doRequireFiniteRaDec=True)).tolist() == [True, False, True, False]

    catalog["detect_isPrimary"] = [True, False, True, False]
    assert select_science(catalog, ScienceSourceSelectorConfig(doRequirePrimary=True)).tolist() == [True, False, True, False]

    catalog["base_SdssCentroid_xErr"], catalog["base_SdssCentroid_yErr"] = [0.1, 4.0, 0.1, 0.1], [0.1, 0.1, np.nan, 0.1]
    limit = ScienceSourceSelectorConfig(doCentroidErrorLimit=True)
    assert select_science(catalog, limit).tolist() == [True, False, False, True]
    catalog["sky_source"] = [False, True, False, False]
    limit.doSkySources = True
    assert select_science(catalog, limit).tolist() == [True, True, False, True]


def test_selector_is_chosen_by_name():
    config = MeasurePsfConfig()
    config.starSelector.name = "science"
    config.starSelector["science"].doFlags = True
    config.starSelector["science"].flags.good = ["calib_psf_used"]
    config.starSelector["science"].flags.bad = []
    catalog = make_catalog(3)
    catalog["calib_psf_used"][1] = True
    assert select_sources(catalog, config.starSelector).tolist() == [False, True, False]


def test_impossible_configurations():
    with pytest.raises(ValueError, match="widthMin"):
        ObjectSizeStarSelectorConfig(widthMin=11.0).validate()
    config = MeasurePsfConfig()
    config.psfDeterminer.name = "piff"
    config.psfDeterminer["piff"].stampSize = 41
    with pytest.raises(ValueError, match="kernelSize"):
        config.validate()
    config.psfDeterminer.name = "psfex"
    config.psfDeterminer["psfex"].stampSize = 40
    with pytest.raises(ValueError, match="odd"):
        config.validate()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 200), st.floats(0, 0.99), st.integers(0, 2**40))
def test_reserved_fraction(n, fraction, exposure_id):
    config = ReserveSourcesConfig(fraction=fraction)
    reserved = reserve_sources(n, config, exposure_id)
    assert reserved.sum() == np.round(n * fraction)
    np.testing.assert_array_equal(reserved, reserve_sources(n, config, exposure_id))


def test_reserved_stars_depend_on_the_exposure():
    config = ReserveSourcesConfig(fraction=0.5)
    assert (reserve_sources(100, config, 1) != reserve_sources(100, config, 2)).any()
