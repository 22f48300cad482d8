"""`esme duis`: sign, verify and send requests, and receive responses, as a user of the DCC."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import click
import httpx

from esme_emulator.cli.commands import Command, Group
from esme_emulator.cli.duis_options import duis_keys, duration, listen_option, to_url_option
from esme_emulator.cli.options import (
    EUI_PARAMETER,
    FOLDER,
    Parameter,
    estate_options,
    json_option,
)
from esme_emulator.cli.read import print_reading
from esme_emulator.cli.render.screen import aside
from esme_emulator.estate.estate import EstateSource
from esme_emulator.estate.parties import DUIS_USERS
from esme_emulator.gateway.documents import ENDPOINT_OF, REQUEST_NAMESPACE, Code, RequestId
from esme_emulator.gateway.drafts import draft_of, draft_read, renumbered
from esme_emulator.gateway.http import DUIS_PATH, received_at
from esme_emulator.gateway.keys import DuisKeys
from esme_emulator.gateway.requests import DocumentError, Element, parse_xml, read_request
from esme_emulator.gateway.services import SERVICES
from esme_emulator.gateway.signature import SignatureError, verify
from esme_emulator.gateway.smets1 import readings_text
from esme_emulator.gateway.user import MAX_RESPONSE, read_response, signed_by_originator
from esme_emulator.gateway.xsd import Xsd
from esme_emulator.messaging.client import NoReplyError
from esme_emulator.runtime.clock import SystemClock
from esme_emulator.runtime.errors import NamedFileError, UserError
from gbcs import EUI, authenticate, decode
from gbcs.instants import parse_iso, to_iso
from gbcs.tables.reading_services import BY_CODE
from gbcs.tables.roles import entitled
from gbcs.usecases.read_request import Window
from gbcs.usecases.values import values_of

_IN = f"{{{REQUEST_NAMESPACE}}}"
_MILLISECONDS = 1000
_INSTANT = Parameter("time", parse_iso)
_XML = {"content-type": "application/xml"}


class DuisFailedError(UserError):
    """A request that was refused, or a document that is not valid; the text is one line."""


_file = click.argument("file", type=click.File("rb"))


@click.group(cls=Group, example="esme duis send --srv 4.1.1 --eui 00DBE50000000000")
def duis() -> None:
    """Sign, verify and send DUIS requests, and receive responses."""


@duis.command("sign", cls=Command, example="esme duis sign request.xml > signed.xml")
@_file
@estate_options
@click.option("--keep-counter", is_flag=True, help="Keep the counter of the RequestID.")
def sign_command(file: Any, keep_counter: bool, source: EstateSource) -> None:
    """Sign a request as its originator, and print it.

    The counter becomes the time in milliseconds, so that each signed request is a new one. A
    signature, comments and white space in FILE are left out.
    """
    known = duis_keys(source)
    root = _draft(file)
    if not keep_counter:
        _renumber(root)
    click.echo(_signed(root, known), nl=False)


@duis.command("verify", cls=Command, example="esme duis verify response.xml")
@_file
@estate_options
@click.option("--schema", type=FOLDER, help="Folder with DCC's duis.xsd, to check with it too.")
@json_option
def verify_command(
    file: Any,
    schema: Path | None,
    as_json: bool,
    source: EstateSource,
) -> None:
    """Check the signature of a request or a response, and say who signed it."""
    known = duis_keys(source)
    try:
        root, signer = verify(parse_xml(file.read(), MAX_RESPONSE), known.signers, nested=True)
    except (DocumentError, SignatureError) as error:
        raise DuisFailedError(f"{file.name}: {error}") from None
    mistake = "" if schema is None else Xsd(schema).mistake(root)
    if mistake:
        raise NamedFileError(f"{file.name}: {mistake}")
    form = {"signer": str(signer.eui), "serial": str(signer.serial), **_summary(root)}
    _print(form, as_json)


@duis.command("listen", cls=Command, example="esme duis listen")
@estate_options
@listen_option
@json_option
def receive_responses(listen: str, as_json: bool, source: EstateSource) -> None:
    """Receive responses, and print a line for each, until interrupted."""
    known = duis_keys(source)
    asyncio.run(_listen(_Receiver(known), listen, as_json))


@duis.command(
    cls=Command,
    example="esme duis send --srv 4.8.1 --eui 00DBE50000000000 --from 2026-01-14 --to 2026-01-15",
)
@click.argument("file", type=click.File("rb"), required=False)
@click.option(
    "--srv",
    type=click.Choice([s for s, row in SERVICES.items() if row.body.reads]),
    help="The service reference variant of a read.",
)
@click.option("--eui", type=EUI_PARAMETER, help="The meter to read.")
@click.option("--from", "start", type=_INSTANT, help="First instant of a log, in ISO 8601.")
@click.option("--to", "end", type=_INSTANT, help="Last instant of a log, in ISO 8601.")
@click.option("--at", "execution", type=_INSTANT, help="When the DCC is to send the command.")
@click.option(
    "--user",
    type=EUI_PARAMETER,
    show_default="the first user that may send it",
    help="The originator of a read.",
)
@to_url_option
@listen_option
@click.option(
    "--timeout",
    type=Parameter("duration", duration),
    metavar="DURATION",
    default="90s",
    help="How long to wait for the response.",
)
@estate_options
@json_option
def send(
    file: Any,
    srv: str | None,
    eui: EUI | None,
    start: int | None,
    end: int | None,
    execution: int | None,
    user: EUI | None,
    to_url: str,
    listen: str,
    timeout: float,
    as_json: bool,
    source: EstateSource,
) -> None:
    """Send a request, wait for its response, and print the reading.

    The request is the one in FILE, or a read of --srv from the meter --eui.
    """
    known = duis_keys(source)
    if file is not None:
        root = _draft(file)
    elif srv is None or eui is None:
        raise click.UsageError("name a FILE, or give --srv and --eui")
    else:
        window = None if start is None or end is None else Window(start, end)
        if (window is not None) != SERVICES[srv].logged:
            wanted = "give --from and --to" if window is None else "leave out --from and --to"
            raise click.UsageError(f"SRV {srv}: {wanted}")
        if window is not None and window.end < window.start:
            raise click.UsageError(f"the window ends, at {to_iso(window.end)}, before it starts")
        root = draft_read(RequestId(user or _user_for(srv), eui, 0), srv, window, execution)
    _renumber(root)
    try:
        asyncio.run(_send(_Receiver(known), root, to_url, listen, timeout, as_json))
    except TimeoutError:
        raise NoReplyError(
            f"no response within {timeout:g} s: is {listen} the --respond-to of the endpoint?"
        ) from None


def _user_for(srv: str) -> EUI:
    """Return a user that may send `srv`."""
    return next(eui for eui, roles in DUIS_USERS.items() if roles & entitled(srv))


def _draft(file: Any) -> Element:
    try:
        return draft_of(file.read())
    except DocumentError as error:
        raise NamedFileError(f"{file.name}: {error}") from None


def _renumber(root: Element) -> None:
    """Give the request a counter of its own: the time."""
    try:
        renumbered(root, int(SystemClock().now() * _MILLISECONDS))
    except DocumentError as error:
        raise DuisFailedError(str(error)) from None


def _signed(root: Element, keys: DuisKeys) -> bytes:
    try:
        return signed_by_originator(root, keys)
    except SignatureError as error:
        raise DuisFailedError(str(error)) from None


def _summary(root: Element) -> dict[str, Any]:
    """Return the header of a request or a response, and what its payload is."""
    names = ("RequestID", "ResponseID", "ResponseCode", "ServiceReferenceVariant", "DSPScheduleID")
    found = ((name, root.find(f".//{_IN}{name}")) for name in names)
    return {name: element.text for name, element in found if element is not None}


def _print(form: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(form))
    else:
        click.echo(", ".join(f"{name} {value}" for name, value in form.items()))


class _Receiver:
    """The responses that arrived: verified, or why not."""

    def __init__(self, keys: DuisKeys) -> None:
        self.keys = keys
        self.arrived: asyncio.Queue[Element | str] = asyncio.Queue()

    def take(self, octets: bytes) -> int:
        """Return the HTTP status for a delivery."""
        try:
            self.arrived.put_nowait(read_response(octets, self.keys).root)
        except (DocumentError, SignatureError) as error:
            self.arrived.put_nowait(f"a response: {error}")
            return 400
        return 204


async def _listen(receiver: _Receiver, address: str, as_json: bool) -> None:
    async with received_at(address, receiver.take):
        aside.print(f"listening: {address}", highlight=False)
        while True:
            one = await receiver.arrived.get()
            _print({"refused": one} if isinstance(one, str) else _summary(one), as_json)


async def _send(
    receiver: _Receiver,
    root: Element,
    url: str,
    address: str,
    seconds: float,
    as_json: bool,
) -> None:
    """Send a signed request, and print what comes."""
    octets = _signed(root, receiver.keys)
    try:
        request = read_request(root)
    except DocumentError as error:
        raise DuisFailedError(f"the request: {error}") from None
    async with (
        received_at(address, receiver.take),
        httpx.AsyncClient(trust_env=False) as client,
        asyncio.timeout(seconds),
    ):
        path = url.rstrip("/") + DUIS_PATH.format(service=ENDPOINT_OF[request.variant])
        try:
            answer = await client.post(path, content=octets, headers=_XML)
        except httpx.HTTPError as error:
            raise DuisFailedError(
                f"nothing answers at {path} ({error or type(error).__name__}): "
                "start esme serve --duis, or give its URL with --to-url"
            ) from None
        if not answer.is_success:
            raise DuisFailedError(f"{path}: HTTP {answer.status_code}: {answer.text:.300}")
        try:
            first = read_response(answer.content, receiver.keys).root
        except (DocumentError, SignatureError) as error:
            raise DuisFailedError(f"the acknowledgement: {error}") from None
        code = _summary(first)["ResponseCode"]
        if code != Code.ACCEPTED or request.variant == 8:
            _show(first, receiver.keys, as_json)
            return
        while True:
            one = await receiver.arrived.get()
            if isinstance(one, str):
                raise DuisFailedError(one)
            if _summary(one).get("RequestID", "").lower() == str(request.id).lower():
                _show(one, receiver.keys, as_json)
                return


def _show(root: Element, keys: DuisKeys, as_json: bool) -> None:
    """Print the reading in a response, or its header. Raises `DuisFailedError` for an E-code."""
    form = _summary(root)
    if form["ResponseCode"].startswith("E"):
        known = {each.value: each.name.lower().replace("_", " ") for each in Code}
        code = form["ResponseCode"]
        raise DuisFailedError(f"{form['RequestID']}: {code}, {known.get(code, 'unknown')}")
    try:
        decoded = readings_text(root, keys.s1sp)
    except SignatureError as error:
        raise DuisFailedError(f"the readings of the S1SP: {error}") from None
    if decoded is not None:
        _print(form | {"readings": decoded} if as_json else form, as_json)
        if not as_json:
            click.echo(decoded)
        return
    payload = root.find(f".//{_IN}GBCSPayload")
    if payload is None:
        _print(form, as_json)
        return
    message = decode(base64.b64decode(payload.text or ""), keys.keystore)
    authenticate(message)
    service = BY_CODE.get(message.message_code)
    if service is None:
        _print(form, as_json)
        return
    print_reading(service, values_of(message), form, as_json=as_json)
