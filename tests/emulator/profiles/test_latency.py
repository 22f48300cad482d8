"""Latencies: the accepted texts, and the distributions of their draws."""

import re
from pathlib import Path
from statistics import fmean, pstdev

import pytest

from esme_emulator.profiles.latency import (
    NONE,
    Empirical,
    Fixed,
    Latency,
    LogNormal,
    Normal,
    Uniform,
    parse_latency,
)


@pytest.mark.parametrize(
    ("text", "latency"),
    [
        ("none", NONE),
        ("0s", Fixed(0.0)),
        ("150ms", Fixed(0.15)),
        ("2s", Fixed(2.0)),
        ("0.5s", Fixed(0.5)),
        ("lognormal:2s,15s", LogNormal(2.0, 15.0)),
        ("lognormal:200ms,1.5s", LogNormal(0.2, 1.5)),
        ("lognormal:2s, 15s", LogNormal(2.0, 15.0)),
        ("uniform:0s,500ms", Uniform(0.0, 0.5)),
        ("normal:2s,500ms", Normal(2.0, 0.5)),
        ("normal:0s,1s", Normal(0.0, 1.0)),
    ],
)
def test_every_form_of_latency_is_read(text: str, latency: object) -> None:
    assert parse_latency(text) == latency


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "-1s",
        "2m",
        "nan",
        "infs",
        "1e3s",
        "2s,15s",
        ":2s",
        "fixed:2s",
        "none:",
        "2s:",
        "normal:",
        "normal:2s",
        "uniform:1s",
        "uniform:-1s,1s",
        "lognormal:",
        "lognormal:2s",
        "lognormal:1s,2s,3s",
        "empirical:",
        "empirical",
        "9" * 400 + "s",
        "None",
    ],
)
def test_other_texts_are_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape("give none, a time such as 150ms or 2s")) as e:
        parse_latency(text)
    assert len(str(e.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["86401s", "99999999999s", "uniform:0s,86401s", "lognormal:1s,100000000ms"]
)
def test_a_latency_above_a_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is longer than a day: give 86400s or less$"):
        parse_latency(text)


def test_a_measurement_above_a_day_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "measured"
    file.write_text("1\n1e300\n")
    with pytest.raises(ValueError, match="line 2: 1e300 seconds are longer than a day"):
        parse_latency(f"empirical:{file}")


def test_a_latency_of_a_day_is_accepted() -> None:
    assert parse_latency("86400s").seconds(0.5) == 86400


@pytest.mark.parametrize(
    "text",
    [
        "uniform:0s,86400s",
        "normal:86400s,86400s",
        "lognormal:1s,86400s",
        f"lognormal:0.{'0' * 300}1s,86400s",
    ],
)
def test_no_draw_is_above_a_day(text: str) -> None:
    latency = parse_latency(text)
    drawn = [latency.seconds(number) for number in (2**-49, 0.01, 0.5, 0.99, 1 - 2**-49)]
    assert drawn == sorted(drawn)
    assert drawn[0] >= 0
    assert drawn[-1] == pytest.approx(86_400)
    assert drawn[-1] <= 86_400


def test_a_log_normal_latency_has_the_given_quantiles() -> None:
    latency = LogNormal(2.0, 15.0)
    assert latency.seconds(0.5) == pytest.approx(2.0)
    assert latency.seconds(0.99) == pytest.approx(15.0)
    drawn = [latency.seconds(number / 1000) for number in range(1, 1000)]
    assert drawn == sorted(drawn)
    assert drawn[0] > 0


def test_a_fixed_latency_is_always_the_same() -> None:
    assert {Fixed(0.15).seconds(number / 10) for number in range(1, 10)} == {0.15}
    assert NONE.seconds(0.999) == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lognormal:15s,2s", "MEDIAN must be above 0 and below P99"),
        ("lognormal:2s,2s", "MEDIAN must be above 0 and below P99"),
        ("lognormal:0s,2s", "MEDIAN must be above 0 and below P99"),
        ("uniform:2s,2s", "LOW must be below HIGH"),
        ("uniform:2s,1s", "LOW must be below HIGH"),
        ("normal:2s,0s", "SD must be above 0"),
    ],
)
def test_bad_parameters_are_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"^latency {re.escape(repr(text))}: {says}$"):
        parse_latency(text)


def quantiles_of(latency: Latency, number: int = 2000) -> list[float]:
    drawn = [latency.seconds((place + 0.5) / number) for place in range(number)]
    assert drawn == sorted(drawn)
    assert drawn[0] >= 0
    return drawn


def test_uniform_and_normal_latencies_have_the_given_moments() -> None:
    uniform = quantiles_of(Uniform(1.0, 3.0))
    assert fmean(uniform) == pytest.approx(2.0)
    assert [uniform[0], uniform[-1]] == pytest.approx([1.0, 3.0], abs=0.01)
    normal = quantiles_of(Normal(10.0, 2.0))
    assert fmean(normal) == pytest.approx(10.0, rel=1e-3)
    assert pstdev(normal) == pytest.approx(2.0, rel=1e-2)


def test_a_normal_latency_is_cut_off_at_0_and_not_piled_up_there() -> None:
    drawn = quantiles_of(Normal(0.0, 1.0))
    assert fmean(drawn) == pytest.approx(0.798, abs=0.005)  # that of a half-normal one
    assert len(set(drawn)) == len(drawn)
    assert Normal(0.0, 1.0).seconds(1 - 2**-49) < 10


def test_an_empirical_latency_is_interpolated_between_measurements() -> None:
    latency = Empirical((1.0, 2.0, 4.0))
    assert [latency.seconds(drawn) for drawn in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1, 1.5, 2, 3, 4]
    assert Empirical((7.0,)).seconds(0.3) == 7.0


@pytest.mark.parametrize(
    ("content", "column", "values"),
    [
        ("3\n1\n\n 2.5 \n", "", (1.0, 2.5, 3.0)),
        ("3\r\n1e-1", "", (0.1, 3.0)),
        ("\ufeff0.5\n", "", (0.5,)),
        ("when,seconds\nnoon,2\nnight,1\n\n", "#seconds", (1.0, 2.0)),
        ('"a, b",c\n1,2\n3,4\n', "#a, b", (1.0, 3.0)),
    ],
)
def test_measurements_come_from_a_file(
    content: str, column: str, values: tuple[float, ...], tmp_path: Path
) -> None:
    file = tmp_path / "measured"
    file.write_text(content, newline="")
    assert parse_latency(f"empirical:{file}{column}") == Empirical(values)


@pytest.mark.parametrize(
    ("content", "column", "says"),
    [
        (b"", "", "has no values"),
        (b"\n \n", "", "has no values"),
        (b"1\n2s\n", "", "line 2: '2s' is not a number of seconds"),
        (b"1\n-2\n", "", "line 2: '-2' is not"),
        (b"nan\n", "", "line 1: 'nan' is not"),
        (b"inf\n", "", "line 1: 'inf' is not"),
        (b"a,b\n1,2\n", "", "line 1: 'a,b' is not"),
        (b"a,b\n1,2\n", "#c", "there is no column 'c'; the first line names a, b"),
        (b"a,b\n1,x\n", "#b", "line 2: 'x' is not"),
        (b"a,b\n1\n", "#b", "has no values"),
        (b"", "#b", "the first line names no columns"),
        (b"\xff\xfe", "", "is not UTF-8"),
        (b"a" * 200_000, "#a", "line"),
    ],
)
def test_files_without_measurements_are_refused_in_one_line(
    content: bytes, column: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "measured"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=says) as raised:
        parse_latency(f"empirical:{file}{column}")
    assert len(str(raised.value).splitlines()) == 1


def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ValueError, match=says) as raised:
            parse_latency(f"empirical:{path}")
        assert len(str(raised.value).splitlines()) == 1
    with pytest.raises(ValueError, match="null byte"):
        parse_latency("empirical:\0")
    assert parse_latency("2s") == Fixed(2.0)


def test_a_file_above_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esme_emulator.runtime.files.MAX_OCTETS", 10)
    file = tmp_path / "measured"
    file.write_text("1\n" * 5)
    assert parse_latency(f"empirical:{file}") == Empirical((1.0,) * 5)
    file.write_text("1\n" * 6)
    with pytest.raises(ValueError, match="longer than 10 octets"):
        parse_latency(f"empirical:{file}")
