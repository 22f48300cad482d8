"""Checking replies: against the truth about the meter, and against what the meter itself says."""

from emulator.device.logs import buffer
from emulator.device.meter import answer
from emulator.device.physics import nature
from emulator.proof.drive import Exchange
from gbcs import GbcsError, Keystore, Status
from gbcs.instants import EPOCH_UNIX
from gbcs.tables.profile_logs import BY_SRV
from gbcs.usecases.profile_read import Window, buffer_of, rows_of


def readings_differ(exchange: Exchange, seed: str, now: float) -> bool:
    """Return whether the readings of a reply, as its party reads them, are not the meter's."""
    key, reply = exchange.ask.key, exchange.reply
    if reply is None or reply.response.mac_status is not Status.VALID:
        return True
    log = BY_SRV[key.srv]
    try:
        readings = buffer_of(reply.response, log)
        if isinstance(readings, int):
            return True
        said = rows_of(log, readings)
    except GbcsError:
        return True
    window = Window(key.start, key.end)
    truth = buffer(nature(seed, key.device), log, window, int(now) - EPOCH_UNIX)
    return said != rows_of(log, truth)


def octets_differ(exchange: Exchange, keystore: Keystore, seed: str, now: float) -> bool:
    """Return whether a reply is not, octet for octet, what the meter says to the same command.

    The device's own counter in it, if there is one, is given to the meter.
    """
    if exchange.reply is None:
        return True
    supplementary = exchange.reply.response.supplementary
    own_counter = (supplementary and supplementary.originator_counter) or 0
    said = answer(seed, exchange.ask.command, keystore, now, lambda: own_counter)
    return said.octets != exchange.reply.octets
