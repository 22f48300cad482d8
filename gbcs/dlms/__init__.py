"""DLMS/COSEM content: data, compact arrays and access APDUs."""
