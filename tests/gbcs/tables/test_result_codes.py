import pytest

from gbcs.tables.result_codes import ResultCode, result_name


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0, "success"),
        (1, "hardware-fault"),
        (3, "read-write-denied"),
        (13, "scope-of-access-violated"),
        (250, "other-reason"),
        (5, "unknown-5"),
        (255, "unknown-255"),
    ],
)
def test_names_are_those_of_the_standard(code, name):
    assert result_name(code) == name


def test_names_of_all_octets_differ():
    assert len({result_name(code) for code in range(256)}) == 256


def test_the_text_of_a_known_code_is_its_name():
    assert f"{ResultCode.OTHER_REASON}" == "other-reason"
    assert ResultCode.OTHER_REASON == 250
