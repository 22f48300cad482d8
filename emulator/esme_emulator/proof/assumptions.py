"""The assumptions behind the costs in a result, each with its basis.

Knows scenarios and WAN profiles; knows nothing of what a run counted.
"""

from collections.abc import Iterator
from dataclasses import fields

from esme_emulator.fleet.wan import BY_PROFILE
from esme_emulator.profiles import wan_profile
from esme_emulator.proof.result import Assumption
from esme_emulator.scenario.scenario import Costs, Scenario

_SCENARIO = "the scenario's"
_BASES = {
    "sms_pounds": "published: SEC modification MP312, a wake-up SMS over allowance",
    "radio_seconds_per_message": "assumed",
    "octets_per_radio_second": "assumed: 100 kbit/s",
}
"""Basis of each default in `Costs`."""


def assumptions(scenario: Scenario) -> Iterator[Assumption]:
    """Yield every figure that costs depend on, by the scenario key that replaces it."""
    costs, fleet = scenario.costs, scenario.fleet
    for item in fields(Costs):
        value = getattr(costs, item.name)
        if value is None:
            yield Assumption("costs.sms_per_wake", *_sms_per_wake(fleet.wan))
        else:
            basis = _SCENARIO if value != item.default else _BASES[item.name]
            yield Assumption(f"costs.{item.name}", value, basis)
    yield Assumption("fleet.wan", fleet.wan, _SCENARIO)
    yield Assumption("fleet.latency", fleet.latency, _SCENARIO)


def _sms_per_wake(wan: str) -> tuple[float | str, str]:
    """Return the SMS per wake-up of a meter behind `wan`, and the basis of that number."""
    if wan == BY_PROFILE:
        return "that of each meter's WAN", "esme profiles shows it with its source"
    profile = wan_profile(wan)
    return profile.wake_sms, f"of the WAN; {profile.sources['wake_sms']}"
