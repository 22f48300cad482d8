from esme_emulator.control.registers import registers_of
from esme_emulator.device.model import meter_of
from esme_emulator.device.snapshots import registers_row
from esme_emulator.estate.estate import derived_estate
from esme_emulator.profiles import meter_profile
from gbcs.instants import parse_iso
from tests.emulator.device.meters import TWIN_BLOCKS

NOW = parse_iso("2026-01-15T12:00:00Z")
[METER] = derived_estate("registers", 1).meters


def test_they_are_those_that_the_meter_logs_whatever_its_tariff() -> None:
    shipped = map(meter_profile, ("single", "single-economy-7", "single-blocks", "twin"))
    for kind in (*shipped, TWIN_BLOCKS):
        meter = meter_of("registers", METER, (kind,))
        registers = registers_of(meter, NOW)
        shown = registers["active_import"]
        row = registers_row(meter, NOW)
        tou = row[2] if meter.secondary is None else row[3]
        assert shown.total == row[1] > 0
        assert shown.tou == list(tou[: len(shown.tou or ())])
        assert sum(tou) == sum(shown.tou or ()) == (0 if meter.block_thresholds else shown.total)
        if meter.secondary is not None:
            second = registers["active_import_secondary"]
            assert second.total == row[2] == sum(second.tou or ()) > 0
            assert second.tou == list(row[4][: len(second.tou or ())])
