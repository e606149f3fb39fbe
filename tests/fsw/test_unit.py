"""Units: scale and offset of known ones. What no unit is, test_quantity.py tries through whole quantities."""

import pytest

from fsw import unit


def test_an_instruments_unit_gives_scale_and_offset():
    assert unit.scale("bar", "Pa") == (1e5, 0.0)
    assert unit.scale("degC", "K") == (1.0, 273.15)
    with pytest.raises(ValueError, match="another dimension"):
        unit.scale("degC", "Pa")
