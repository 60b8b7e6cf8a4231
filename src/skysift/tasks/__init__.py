"""Tasks with the LSST names: thin shells of the science for `lsst.pipe.base`."""
