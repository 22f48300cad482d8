"""`esme decode`, `esme encode` and `esme keys`: messages as JSON, back, and their keys."""

import codecs
import csv
import errno
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, cast

import click

from esme_emulator.cli.commands import CHECK_FAILED, Command, fail
from esme_emulator.cli.options import (
    FILE,
    KEYSTORE,
    json_option,
)
from esme_emulator.cli.render.messages import Decoded, Totals, explanation, show_summary
from esme_emulator.cli.render.readings_csv import DECODED_COLUMNS, message_rows
from esme_emulator.cli.render.screen import warn
from esme_emulator.runtime.files import MAX_OCTETS
from gbcs import FileKeystore, GbcsError, Message, decode, encode
from gbcs.block_transfer import Transfers
from gbcs.explain import explain
from gbcs.json_form import from_json, to_json
from gbcs.octet_text import text_of
from gbcs.pcap import MAGIC_OCTETS, Packet, PcapWriter, is_capture
from gbcs.sources import Found, Input, SourceError, inputs_in
from gbcs.tables.result_codes import result_name
from gbcs.usecases.values import has_readings, values_of

_TOO_LONG = f"the input is longer than {MAX_OCTETS} octets: split it"


@click.command(
    "decode", cls=Command, example="esme decode --explain --keystore keys.json message.hex"
)
@click.argument("sources", nargs=-1, metavar="[FILE|HEX|-]...")
@click.option("--keystore", type=KEYSTORE, help="Keystore file, to verify and decrypt.")
@click.option("--explain", "explained", is_flag=True, help="Print the octets, annotated.")
@click.option("--csv", "as_csv", is_flag=True, help="Print readings as CSV, with scales applied.")
@click.option(
    "--pcap", type=FILE, help="Also write the messages to this capture file, for Wireshark."
)
@json_option
def decode_command(
    sources: tuple[str, ...],
    keystore: Path | None,
    explained: bool,
    as_csv: bool,
    pcap: Path | None,
    as_json: bool,
) -> None:
    """Decode GBCS messages in hex, base64, JSON, logs, DUIS or pcap.

    Each source is a file, a folder, the text itself, or - for stdin, whose lines are decoded as
    they arrive. Hexdumps, pcapng and binary are read too, and blocks are reassembled. One message
    is shown as JSON, several as a table with a line for each. Exits 1 if a message cannot be
    decoded. An invalid MAC does not change the exit code: read mac and signature in the output.
    """
    if as_csv + as_json + explained > 1:
        raise click.UsageError("--csv, --explain and --json: give one of the three")
    keys = FileKeystore.load(keystore) if keystore else None
    stdin = cast(BinaryIO, _Bounded(sys.stdin.buffer))
    inputs = [_bounded(entry) for entry in inputs_in(sources or ("-",), stdin)]
    totals = Totals()
    with _capture(pcap, inputs) as keep:
        items = _decoded(inputs, keys, keep)
        one_by_one = as_csv or as_json or explained
        first = [] if one_by_one else list(islice(items, 2))
        items = chain(first, items)
        if as_csv:
            _write_csv(items, totals)
        elif len(first) > 1:
            show_summary(items, len(inputs), totals)
        else:
            for item in items:
                totals.add(item)
                _show(item, as_json, explained)
    if not totals.decoded + totals.failed:
        fail("no messages")
    if totals.failed:
        sys.exit(CHECK_FAILED)


class _Bounded:
    """A stream that may never end; it fails if it is read to an end beyond `MAX_OCTETS`.

    Captures are read packet by packet, and logs line by line: they may be longer.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` octets, or all until the end. Raises `SourceError`."""
        return self._stream.read(size) if size >= 0 else _checked(self._stream.read(MAX_OCTETS + 1))

    def readline(self) -> bytes:
        """Return the next line as it arrives. Raises `SourceError`."""
        return _checked(self._stream.readline(MAX_OCTETS + 1))


def _checked(octets: bytes) -> bytes:
    if len(octets) > MAX_OCTETS:
        raise SourceError(_TOO_LONG)
    return octets


def _bounded(entry: Input) -> Input:
    """Return an input that is not longer than `MAX_OCTETS`, if it is a device or a pipe."""
    place = entry.place
    if not isinstance(place, Path) or place.is_file():
        return entry
    try:
        stream = click.get_current_context().with_resource(place.open("rb"))
        return replace(entry, place=cast(BinaryIO, _Bounded(stream)))
    except OSError:
        return entry  # reading it reports the error


def _decoded(
    inputs: list[Input], keys: FileKeystore | None, keep: Callable[[Found], None]
) -> Iterator[Decoded]:
    transfers = Transfers()
    for number, entry in enumerate(inputs, start=1):
        for found in entry.messages():
            try:
                if found.error is not None:
                    raise found.error
                octets = transfers.whole(found.octets, found.source)
                if octets is not None:
                    message = decode(octets, keys)
                    keep(replace(found, octets=octets))
                    yield Decoded(found.source, message, input=number)
            except (GbcsError, SourceError) as error:
                yield Decoded(found.source, error=error, input=number)
            yield from _unfinished(transfers, number)
    transfers.give_up()
    yield from _unfinished(transfers, len(inputs))


def _unfinished(transfers: Transfers, number: int) -> Iterator[Decoded]:
    for one in transfers.take_unfinished():
        yield Decoded(one.source, error=one.error, input=number)


@contextmanager
def _capture(pcap: Path | None, inputs: list[Input]) -> Iterator[Callable[[Found], None]]:
    """Yield a function that writes a message to the file `pcap`, if it is not None.

    The file is opened for the first message, so an input without messages overwrites nothing.
    """
    if pcap is None:
        yield lambda found: None
        return
    _check_capture(pcap, inputs)
    try:
        with ExitStack() as stack:
            writer: PcapWriter | None = None

            def write(found: Found) -> None:
                nonlocal writer
                writer = writer or PcapWriter(stack.enter_context(pcap.open("wb")))
                writer.write(Packet(found.octets, found.time))

            yield write
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # from stdout, not from this file
        raise _unwritable(pcap, error) from None


def _check_capture(pcap: Path, inputs: list[Input]) -> None:
    """Raise `UsageError` if the file is a source, or is not a capture."""
    files = [entry.place for entry in inputs if isinstance(entry.place, Path)]
    if pcap.exists() and any(file.samefile(pcap) for file in files):
        raise click.UsageError(f"--pcap {pcap}: this file is one of the sources: name another one")
    if not pcap.is_file():
        return
    try:
        with pcap.open("rb") as stream:
            begun = stream.read(MAGIC_OCTETS)
    except OSError as error:
        raise _unwritable(pcap, error) from None
    if begun and not is_capture(begun):
        raise click.UsageError(
            f"--pcap {pcap}: this file exists and is not a capture: name another one"
        )


def _unwritable(pcap: Path, error: OSError) -> SourceError:
    return SourceError(f"{pcap}: {error.strerror}")


def _write_csv(items: Iterable[Decoded], totals: Totals) -> None:
    """Print the readings of all messages as one table, each as it comes.

    Messages that hold no readings, such as commands, are counted on stderr.
    """
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(DECODED_COLUMNS)
    others: Counter[str] = Counter()
    for item in items:
        message = item.message
        if message is not None and has_readings(message):
            try:
                readings = values_of(message)
                table.writerows(message_rows(item.source, message, readings))
            except GbcsError as error:
                item = replace(item, message=None, error=error)
            else:
                refused = [one for one in readings if one.code]
                warn([f"{item.source}: {one.name}: {result_name(one.code)}" for one in refused])
        elif message is not None:
            others[message.kind] += 1
        if item.message is None:
            _report(item)
        totals.add(item)
        sys.stdout.flush()
    if others:
        counted = ", ".join(f"{number} {kind}" for kind, number in others.items())
        warn([f"messages without readings: {counted}"])


def _report(item: Decoded) -> None:
    click.echo(f"esme: {item.source}: {item.error}", err=True)


def _show(item: Decoded, as_json: bool, explained: bool) -> None:
    if item.message is None:
        if as_json:
            click.echo(json.dumps({"source": item.source, "error": str(item.error)}))
        else:
            _report(item)
    elif explained:
        click.echo(item.source)
        click.echo("\n".join(explanation(explain(item.message))))
    else:
        form = {"source": item.source, **to_json(item.message)}
        click.echo(json.dumps(form, indent=None if as_json else 2))


@click.command("encode", cls=Command, example="esme decode --json message.hex | esme encode")
@click.argument("source", type=click.File("rb"), default="-")
@click.option(
    "--keystore", type=KEYSTORE, help="Keystore file, to calculate a MAC that is missing."
)
def encode_command(source: BinaryIO, keystore: Path | None) -> None:
    """Encode the JSON of esme decode --json back to hex.

    SOURCE is a file, or - for stdin, with one message a line.
    """
    keys = FileKeystore.load(keystore) if keystore else None
    failed = False
    for number, document in _documents(_lines_of(source)):
        try:
            click.echo(encode(_message_of(document), keys).hex().upper())
        except json.JSONDecodeError as error:
            failed = True
            place = f"line {number + error.lineno - 1}"
            click.echo(f"esme: {place}: not JSON: {error.msg}, at column {error.colno}", err=True)
        except (GbcsError, SourceError, ValueError) as error:
            failed = True
            click.echo(f"esme: line {number}: {error}", err=True)
    if failed:
        sys.exit(CHECK_FAILED)


def _message_of(document: str) -> Message:
    try:
        form = json.loads(document.rstrip())  # so that its end is not on the next line
    except RecursionError:
        raise SourceError("nested too deeply") from None
    if isinstance(form, dict) and "error" in form:
        raise SourceError(" ".join(str(form["error"]).split()))
    return from_json(form)


def _lines_of(source: BinaryIO) -> Iterator[str]:
    """Yield the lines of a file as they arrive. A file in UTF-16 is read whole."""
    begin = source.read(4)
    if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = text_of(begin + _Bounded(source).read())
        if text is None:
            raise click.UsageError("the file is neither UTF-8 nor UTF-16: save it as UTF-8")
        yield from text.splitlines(keepends=True)
        return
    first = begin + source.readline(MAX_OCTETS)
    rest = iter(lambda: source.readline(MAX_OCTETS), b"")
    for line in chain(first.removeprefix(codecs.BOM_UTF8).splitlines(keepends=True), rest):
        if len(line) >= MAX_OCTETS:
            raise SourceError(_TOO_LONG)
        # Octets that are not UTF-8 are not JSON either, which is reported with the line.
        yield line.decode("utf-8", "replace")


def _documents(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield the number of its first line and the text of each JSON document.

    A document is one line, together with the indented lines and closing brackets that follow it:
    `esme decode` prints a single message in that way.
    """
    document, first = "", 1
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if document and line[0] in " \t}]":
            document += line
            if len(document) > MAX_OCTETS:
                raise SourceError(_TOO_LONG)
            continue
        if document:
            yield first, document
        document, first = line, number
    if document:
        yield first, document
