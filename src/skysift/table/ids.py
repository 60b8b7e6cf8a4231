"""Identifiers of sources."""

from __future__ import annotations

import numpy as np

from skysift.errors import InputError

__all__ = ["IdFactory"]

_ID_BITS = 63


class IdFactory:
    """Makes int64 identifiers that increase by one (LSST `IdFactory`).

    Parameters
    ----------
    base
        The upper bits of every identifier, already in place.
    counter_bits
        Number of lower bits that count; the counter starts at 1.
    """

    def __init__(self, base: int, counter_bits: int) -> None:
        self.base = base
        self.counter_bits = counter_bits
        self._last = 0

    @classmethod
    def simple(cls) -> IdFactory:
        """Count 1, 2, 3, ..."""
        return cls(0, _ID_BITS)

    @classmethod
    def source(cls, exp_id: int, reserved: int) -> IdFactory:
        """Put an exposure identifier into the upper bits.

        Parameters
        ----------
        exp_id
            Identifier of the exposure, not negative.
        reserved
            Number of lower bits for the counter, 1 to 63.

        Returns
        -------
        factory
            Makes `(exp_id << reserved) | counter`.

        Raises
        ------
        InputError
            The two do not fit into 63 bits.
        """
        if not 1 <= reserved <= _ID_BITS:
            raise InputError(f"bits reserved for the source counter must be 1 to {_ID_BITS}, got {reserved}")
        if exp_id < 0 or exp_id.bit_length() + reserved > _ID_BITS:
            raise InputError(f"exposure id {exp_id} does not fit into {_ID_BITS - reserved} bits beside {reserved} bits of source counter")
        return cls(exp_id << reserved, reserved)

    def __call__(self) -> int:
        """Make the next identifier."""
        return int(self.take(1)[0])

    def take(self, n: int) -> np.ndarray:
        """Make the next `n` identifiers.

        Returns
        -------
        ids
            int64 array of shape (n,).

        Raises
        ------
        InputError
            The counter is exhausted.
        """
        if (self._last + n).bit_length() > self.counter_bits:
            raise InputError(f"{self._last + n} sources do not fit into the {self.counter_bits} bits reserved for their counter")
        ids = self.base | np.arange(self._last + 1, self._last + n + 1, dtype=np.int64)
        self._last += n
        return ids

    def notify(self, id: int) -> None:
        """Continue after the given identifier, which was made elsewhere.

        Raises
        ------
        InputError
            The identifier has other upper bits than this factory gives.
        """
        counter = id ^ self.base
        if counter < 0 or counter.bit_length() > self.counter_bits:
            raise InputError(f"id {id} does not come from this factory, whose ids begin with {self.base}")
        self._last = counter
