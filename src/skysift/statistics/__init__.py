"""Statistics of samples and images, plain and sigma-clipped."""

from skysift.statistics.clipped import clipped_stats, quantiles
from skysift.statistics.statistics import Statistics, StatisticsControl, make_statistics

__all__ = ["Statistics", "StatisticsControl", "clipped_stats", "make_statistics", "quantiles"]
