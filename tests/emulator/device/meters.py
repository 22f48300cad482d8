"""Meters and days for tests: one meter of each profile, strategies for any meter, special days."""

from dataclasses import replace

from hypothesis import strategies as st

from esme_emulator.device.model import Meter, meter_of
from esme_emulator.profiles import MeterProfile, meter_profile, meter_profiles
from gbcs import EUI
from gbcs.instants import DAY, MAX_INSTANT, parse_iso

SEED = "tests"
TWIN_BLOCKS = replace(
    meter_profile("twin"),
    name="twin-blocks",
    tariff="blocks",
    block_thresholds=meter_profile("single-blocks").block_thresholds,
)
"""A profile that is not shipped: blocks on the first element, a TOU register on the second."""
PROFILES = (*meter_profiles(), TWIN_BLOCKS)
KINDS: dict[str, Meter] = {
    profile.name: meter_of(SEED, EUI.from_int(7), (profile,)) for profile in PROFILES
}
"""A meter of each profile."""

_BY_PROFILE: dict[str, EUI] = {}
for _number in range(3000):
    _eui = EUI.from_int(_number)
    _BY_PROFILE.setdefault(meter_of(SEED, _eui).profile.variant, _eui)
SINGLE, TWIN, POLYPHASE = (_BY_PROFILE[variant] for variant in ("single", "twin", "polyphase"))
"""A meter of each variant among those of `SEED`."""

euis = st.integers(0, 2**64 - 1).map(EUI.from_int)


def meters_of(*profiles: MeterProfile) -> st.SearchStrategy[Meter]:
    """Return a strategy for meters of these profiles."""
    return st.builds(
        lambda seed, eui, profile: meter_of(seed, eui, (profile,)),
        st.text(max_size=8),
        euis,
        st.sampled_from(profiles),
    )


any_meters = st.one_of(st.builds(meter_of, st.text(max_size=8), euis), meters_of(*PROFILES))
prepaying = meters_of(*[item for item in PROFILES if item.payment == "prepayment"])
in_credit_mode = meters_of(*[item for item in PROFILES if item.payment == "credit"])
with_blocks = meters_of(*[item for item in PROFILES if item.block_thresholds])

special_days = [
    parse_iso(date) // DAY
    for date in (
        "2023-12-31",
        "2024-01-01",
        "2024-02-28",
        "2024-02-29",
        "2024-03-01",
        "2024-12-31",
        "2028-02-29",
        "2099-12-31",
        "2100-02-28",
    )
]
days = st.one_of(st.sampled_from(special_days), st.integers(4500, 45_000))
"""Days since 2000-01-01: ends of years, leap days, and any from 2012 to 2123."""

moments = st.one_of(
    st.builds(lambda day, second: day * DAY + second, days, st.integers(0, DAY - 1)),
    st.sampled_from(special_days).map(lambda day: day * DAY),
)
"""Instants of such days."""

instants = st.integers(0, MAX_INSTANT)
