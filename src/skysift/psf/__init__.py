"""Point-spread functions: one interface, `Psf`, and its kinds."""

from skysift.psf.analytic import DoubleGaussianPsf, GaussianPsf
from skysift.psf.base import Psf, Resampling
from skysift.psf.grid import GridPsf
from skysift.psf.linear import KernelPsf, LinearPsf, PcaPsf, PixelGridPsf
from skysift.psf.sampled import PiffPsf, PsfexPsf, SampledPsf
from skysift.psf.terms import SpatialTerms

__all__ = [
    "DoubleGaussianPsf",
    "GaussianPsf",
    "GridPsf",
    "KernelPsf",
    "LinearPsf",
    "PcaPsf",
    "PiffPsf",
    "PixelGridPsf",
    "Psf",
    "PsfexPsf",
    "Resampling",
    "SampledPsf",
    "SpatialTerms",
]
