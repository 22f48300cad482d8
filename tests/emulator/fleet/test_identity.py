"""The identity of a fleet changes with everything that its readings depend on, and nothing else."""

from hashlib import sha256
from pathlib import Path

import pytest

from esme_emulator.device.logs import buffer
from esme_emulator.device.model import meter_of
from esme_emulator.estate.estate import derived_estate
from esme_emulator.faults.kind import FAULTS
from esme_emulator.faults.loading import parse_rules
from esme_emulator.fleet.fleet import MODEL, identity_of
from esme_emulator.messaging.identity import is_identity
from esme_emulator.profiles import meter_profile, meter_profiles
from gbcs.instants import DAY, parse_iso
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import Window
from tests.support.rtds import ROOT

SHIPPED = ROOT / "profiles"
GAPS = '[[fault]]\nkind = "missing-half-hours"\nshare = 0.5\n'


def test_readings_match_the_version_of_the_model() -> None:
    """If this fails because readings changed: raise MODEL and update the digest here."""
    now = parse_iso("2026-01-15T12:00:00Z")
    window = Window(now - 3 * DAY, now)
    said = sha256()
    for profile in meter_profiles():
        for device in derived_estate("model", 3).meters:
            for log in BY_SRV.values():
                said.update(buffer(meter_of("model", device, (profile,)), log, window, now))
    assert (MODEL, said.hexdigest()[:16]) == (1, "713726e9b343895a")


def test_the_identity_of_the_shipped_mix_is_the_same_on_every_python() -> None:
    """Since 3.12 `sum` rounds floats differently. Update the text here if a profile changes."""
    assert identity_of("1") == "a16cf2139cedebcc"


def test_the_identity_depends_on_seed_and_profiles() -> None:
    single, twin = meter_profile("single"), meter_profile("twin")
    chosen = [None, (single,), (twin,), (single, twin), (twin, single)]
    found = [identity_of(seed, profiles) for seed in ("1", "2") for profiles in chosen]
    assert len(set(found)) == len(found)
    assert all(map(is_identity, found))
    assert identity_of("1") == identity_of("1", meter_profiles())


def copied(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write a profile and the loads that it names to files, with some of its text changed."""
    text = (SHIPPED / "meters" / "single.toml").read_text().replace('"domestic"', '"mine.toml"')
    load = (SHIPPED / "loads" / "domestic.toml").read_text()
    for old, new in changes:
        assert old in text + load
        text, load = text.replace(old, new), load.replace(old, new)
    folder.mkdir()
    (folder / "mine.toml").write_text(load)
    (folder / "own.toml").write_text(text)
    return folder / "own.toml"


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (('title = "Single element"', 'title = "Another title"'), True),
        (('"assumed: percent of a fleet"', '"assumed: somebody said so"'), True),
        (('wan = "smets2-cellular"', 'wan = "smets2-long-range-radio"'), True),
        (('tariff = "one-rate"', 'tariff = "economy-7"'), False),
        (("annual_kwh = 2500", "annual_kwh = 2501"), False),
    ],
)
def test_the_identity_depends_on_the_content_of_profiles(
    change: tuple[str, str], same: bool, tmp_path: Path
) -> None:
    one = copied(tmp_path / "one")
    other = copied(tmp_path / "other", change)
    identities = {identity_of("1", (meter_profile(str(path)),)) for path in (one, other)}
    assert (len(identities) == 1) is same


def test_the_identity_depends_on_faults_of_logs_only() -> None:
    sound = identity_of("1")
    altering = set()
    for kind in FAULTS:
        rules = parse_rules(f'[[fault]]\nkind = "{kind}"\n')
        if identity_of("1", None, rules) != sound:
            altering.add(kind)
    assert altering == {"clock-drift", "empty-log", "missing-half-hours"}
    gaps = [parse_rules(text) for text in (GAPS, GAPS.replace("0.5", "0.4"), GAPS + 'name = "x"\n')]
    assert len({identity_of("1", None, rules) for rules in gaps}) == 3, "each draws other gaps"
    assert identity_of("1", None, parse_rules(GAPS)) == identity_of("1", None, gaps[0])


@pytest.mark.parametrize("text", ["", "0" * 15, "0" * 17, "g" * 16, "0" * 16 + "\n", "A" * 16])
def test_other_texts_are_no_identity(text: str) -> None:
    assert not is_identity(text)
