"""Units of measure by the code that a scaler and unit of DLMS carries.

Source: DLMS Blue Book, interface class register (class 3), attribute scaler_unit: the units of
electricity, and those of what is counted.
"""

UNITS = {
    27: "W",
    28: "VA",
    29: "var",
    30: "Wh",
    31: "VAh",
    32: "varh",
    33: "A",
    35: "V",
    44: "Hz",
}
"""Symbols by code. 254 (other unit) and 255 (no unit, count) have none."""
