"""Two processes on one store against a model of a few lines: they answer as it allows.

The model knows the meters' readings, each day's supplier, and which readings may be kept.
"""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.effects import Effect, Forward, Reply
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.registry.file import load_registry
from esme_emulator.cache.registry.registration import ChangeOfSupplier, ChangeOfTenancy
from esme_emulator.device.logs import buffer
from esme_emulator.device.model import meter_of
from esme_emulator.estate.parties import DISTRIBUTOR, OTHER_USER, SUPPLIER, RemoteParty
from gbcs import EUI, Command, decode
from gbcs.instants import DAY, EPOCH_UNIX, HALF_HOUR
from gbcs.tables.profile_logs import BY_SRV
from gbcs.tables.result_codes import ResultCode
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window, answer_profile_read
from gbcs.usecases.responding import refuse
from tests.emulator.cache.bench import PATIENCE, RETENTION, Bench, BenchStore
from tests.support.estate import ESTATE, KEYS, MIDNIGHT, SEED, own_counter_in

RIVAL = EUI.parse("90B3D51F30010010")
ROLES = {SUPPLIER: Role.IS, RIVAL: Role.IS, DISTRIBUTOR: Role.ED, OTHER_USER: Role.OU}
REGISTRY = (
    "".join(f'[[party]]\neui = "{eui}"\nroles = ["{role}"]\n' for eui, role in ROLES.items())
    + f'[[registration]]\nparty = "{SUPPLIER}"\n'
)
SRVS = {"4.6.1": {Role.IS}, "4.8.1": {Role.IS, Role.ED, Role.OU}, "4.8.3": {Role.ED, Role.OU}}
TODAY = MIDNIGHT // DAY
WINDOWS = [
    Window((TODAY - 1) * DAY, TODAY * DAY),
    Window((TODAY - 1) * DAY, TODAY * DAY - 1),
    Window((TODAY - 2) * DAY - 1, (TODAY - 1) * DAY),
    Window(TODAY * DAY, (TODAY + 1) * DAY),
]
"""The last one is not over at first."""

DEVICES = [ESTATE.meters[0]] * 3 + [ESTATE.meters[1]]


class Model:
    """The truth, and the readings that the cache may know."""

    def __init__(self) -> None:
        self.supply = {device: [(0, SUPPLIER)] for device in ESTATE.meters}
        self.left: dict[EUI, list[int]] = {}
        self.received: dict[Key, set[float]] = {}
        self.undropped: dict[Key, set[float]] = {}

    def entitled(self, party: EUI, key: Key) -> bool:
        """Return whether a party supplies every day of the window; on a change day both do."""
        if ROLES[party] not in SRVS[key.srv]:
            return False
        days = range(key.start // DAY, key.end // DAY + 1)
        if ROLES[party] is Role.OU:
            return days[-1] < min(self.left.get(key.device, [1 << 32]))
        return ROLES[party] is Role.ED or all(
            party in (self.supplier(key.device, day), self.supplier(key.device, day - 1))
            if (day, self.supplier(key.device, day)) in self.supply[key.device]
            else party == self.supplier(key.device, day)
            for day in days
        )

    def supplier(self, device: EUI, day: int) -> EUI:
        return max(one for one in self.supply[device] if one[0] <= max(day, 0))[1]

    def changed(self, device: EUI, now: float) -> float:
        """Return the first second of the latest past day of a change."""
        days = [day for day, _ in self.supply[device][1:]] + self.left.get(device, [])
        return max((s for day in days if (s := day * DAY + EPOCH_UNIX) <= now), default=0)

    def forget(self, device: EUI) -> None:
        """Expect nothing from before a change, even if the store has not dropped it."""
        for key in [key for key in self.received if key.device == device]:
            del self.received[key]

    def set_back(self, now: float, dropped: bool) -> None:
        """Expect nothing of the future, not even when that time has come."""
        for key, times in list(self.received.items()):
            ahead = {time for time in times if time > now}
            times -= ahead
            if not times:
                del self.received[key]
            if ahead and not dropped:
                self.undropped.setdefault(key, set()).update(ahead)

    def dropped(self, devices: set[EUI | None]) -> None:
        self.undropped = {k: t for k, t in self.undropped.items() if not _among(k, devices)}

    def lost_flushes(self, devices: set[EUI | None]) -> None:
        """Allow entries again whose flush was lost with its process."""
        for key in [key for key in self.undropped if _among(key, devices)]:
            self.received.setdefault(key, set()).update(self.undropped.pop(key))


class Processes(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        store = BenchStore()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "registry.toml"
        self.path.write_text(REGISTRY)
        self.benches = [
            Bench(
                shared_store=store,
                registry=load_registry(self.path),
                shared=True,
                device_limit=4,
            )
            for _ in range(2)
        ]
        self.told: list[ChangeOfSupplier | ChangeOfTenancy] = []
        self.gone: dict[Key, Entry] = {}
        """Entries that changes had the store drop."""
        self.model = Model()
        self.asked: list[tuple[Command, Key, EUI]] = []
        self.sendable: dict[int, tuple[bytes, int, float]] = {}
        self.times: Counter[int] = Counter()
        self.sent_at: dict[int, float] = {}
        self.flushed_since: set[int] = set()
        self.lost: list[tuple[int, bytes]] = []
        self.answered: Counter[int] = Counter()
        self.said: dict[int, bytes] = {}
        self.sent_by: dict[int, int] = {}
        self.made: dict[bytes, tuple[bytes, float]] = {}
        self.heard: dict[Key, set[bytes]] = {}
        self.forged: dict[Key, dict[int, bytes]] = {}
        self.alarmed = [0, 0]
        self.refusals: set[Key] = set()
        self.checked = [0, 0]

    @property
    def now(self) -> float:
        return self.benches[0].now

    def move(self, seconds: float) -> None:
        self.check_all()
        for bench in self.benches:
            bench.now += seconds
        for bench in self.benches:
            bench.expire(0)
        self.note_forwards()

    def note_forwards(self) -> None:
        for bench in self.benches:
            for forward in bench.forwards:
                counter = decode(forward.octets).originator_counter
                self.sent_at.setdefault(counter, self.now)

    @rule(
        process=st.integers(0, 1),
        party=st.sampled_from(sorted(ROLES)),
        srv=st.sampled_from(sorted(SRVS)),
        device=st.sampled_from(DEVICES),
        window=st.sampled_from(WINDOWS),
    )
    def one_asks(self, process: int, party: EUI, srv: str, device: EUI, window: Window) -> None:
        self.ask(process, party, srv, device, window)

    def ask(self, process: int, party: EUI, srv: str, device: EUI, window: Window) -> None:
        key = Key(device, srv, window.start, window.end)
        behind = party == OTHER_USER
        remote = RemoteParty(party, frozenset({ROLES[party]}), KEYS, len(self.asked), behind)
        command, octets = remote.command(device, srv, window)
        self.sendable[len(self.asked)] = octets, process, self.now
        self.asked.append((command, key, party))
        self.send(process, octets, key, party)

    def send(self, process: int, octets: bytes, key: Key, party: EUI) -> None:
        bench = self.benches[process]
        device = key.device
        self.times[decode(octets).originator_counter] += 1
        self.sent_by[decode(octets).originator_counter] = process
        refused = bench.policy.ledger.total(Decision.REFUSED)
        before = len(bench.forwards), len(bench.replies)
        bench.receive(octets, device)
        if not self.model.entitled(party, key):
            assert bench.policy.ledger.total(Decision.REFUSED) == refused + 1
            assert (len(bench.forwards), len(bench.replies)) == before
        else:
            assert bench.policy.ledger.total(Decision.REFUSED) == refused
        self.note_forwards()
        self.check_all()

    @rule(
        process=st.integers(0, 1),
        parties=st.lists(
            st.sampled_from([SUPPLIER, DISTRIBUTOR, OTHER_USER]), min_size=1, max_size=4
        ),
        device=st.sampled_from(DEVICES),
        window=st.sampled_from(WINDOWS[:2]),
        answered=st.booleans(),
    )
    def several_ask_for_the_same(
        self, process: int, parties: list[EUI], device: EUI, window: Window, answered: bool
    ) -> None:
        for number, party in enumerate(parties):
            self.ask((process + number) % 2, party, "4.8.1", device, window)
        if answered:
            self.reply_comes(0, 1)
            self.reply_comes(1, 1)

    @rule(
        process=st.integers(0, 1),
        device=st.sampled_from(DEVICES),
        flushed=st.booleans(),
        times=st.integers(0, 2),
        ends=st.booleans(),
    )
    def a_window_ends_while_its_reply_is_held_up(
        self, process: int, device: EUI, flushed: bool, times: int, ends: bool
    ) -> None:
        window = WINDOWS[0]
        if ends:
            end = -(-int(self.now - EPOCH_UNIX) // HALF_HOUR) * HALF_HOUR + HALF_HOUR
            self.move(EPOCH_UNIX + end - 45 - self.now)
            window = Window(end - DAY, end)
        self.ask(process, SUPPLIER, "4.8.1", device, window)
        self.reply_is_held_up(process)
        if flushed:
            self.consumer_changes(device, TODAY + 1)
        self.move(PATIENCE)
        for _ in range(times):
            self.the_same_command_is_sent_again(0)
        if self.lost:
            self.arrives(process, *self.lost[-1])
        self.ask(process, DISTRIBUTOR, "4.8.1", device, window)

    @rule(
        process=st.integers(0, 1),
        party=st.sampled_from([SUPPLIER, DISTRIBUTOR]),
        seconds=st.sampled_from([1.0, 3600.0, 7200.0]),
        at_once=st.booleans(),
        failing=st.booleans(),
    )
    def a_clock_that_was_ahead_is_set_right(
        self, process: int, party: EUI, seconds: float, at_once: bool, failing: bool
    ) -> None:
        self.move(seconds)
        self.ask(process, party, "4.8.1", DEVICES[0], WINDOWS[0])
        self.reply_comes(process, 1)
        self.store_fails_or_works(failing, True)
        self.set_back(seconds)
        self.move(seconds + 1)
        self.store_fails_or_works(False, at_once)
        self.ask(process, party, "4.8.1", DEVICES[0], WINDOWS[0])

    @precondition(lambda self: self.sendable)
    @rule(place=st.integers(0, 3))
    def the_same_command_is_sent_again(self, place: int) -> None:
        """Its reply cannot be told from one to the first command; it is remembered for an hour."""
        counter = list(self.sendable)[-1 - place % len(self.sendable)]
        octets, process, since = self.sendable[counter]
        if abs(self.now - since) < 1800:
            _, key, party = self.asked[counter]
            self.send(process, octets, key, party)

    @precondition(lambda self: self.model.received)
    @rule(
        process=st.integers(0, 1),
        place=st.integers(0, 3),
        seconds=st.sampled_from([0.0, 1.0, RETENTION - 1, RETENTION, -1.0, -3600.0]),
    )
    def what_was_received_is_asked_for_again(
        self, process: int, place: int, seconds: float
    ) -> None:
        keys = list(self.model.received)
        key = keys[place % len(keys)]
        self.move(seconds) if seconds >= 0 else self.set_back(-seconds)
        for party in (SUPPLIER, DISTRIBUTOR, OTHER_USER):
            self.ask(process, party, key.srv, key.device, Window(key.start, key.end))

    def take(self, process: int) -> tuple[int, Forward] | None:
        bench = self.benches[process]
        if not bench.forwards:
            return None
        forward = bench.forwards[0]
        return decode(forward.octets).originator_counter, forward

    def arrives(self, process: int, counter: int, octets: bytes) -> None:
        """Deliver a good reply: from now on it may be kept, unless the device was flushed.

        Nor may it be kept if the meter's clock had not reached the last entry that is due.
        """
        _, key, _ = self.asked[counter]
        readings, clock = self.made[octets]
        self.heard.setdefault(key, set()).add(readings)
        over = key.end <= min(self.sent_at[counter], self.now) - EPOCH_UNIX
        over &= last_due(key) <= clock - EPOCH_UNIX
        changed = self.sent_at[counter] < self.model.changed(key.device, self.now)
        if over and not changed and counter not in self.flushed_since:
            self.model.received.setdefault(key, set()).add(self.now)
        bench = self.benches[process]
        works = not bench.shared.failing
        bench.deliver(octets)
        self.note_forwards()
        self.check_all()
        if len(bench.alarms) > self.alarmed[process] and works:
            self.model.forget(key.device)
        if self.seen_by(process, counter) and readings == self.truth(key) and works:
            self.forged.get(key, {}).pop(counter, None)
        self.alarmed[process] = len(bench.alarms)

    # Clocks of meters, replies that are forged, and commands that come again

    def meter_reply(self, process: int) -> bytes:
        """Return the reply to the oldest command, by the meter's clock."""
        bench = self.benches[process]
        _, key, _ = self.asked[decode(bench.forwards[0].octets).originator_counter]
        clock = self.now + bench.skew
        octets = bench.meter_reply()
        self.made[octets] = self.readings(key, clock), clock
        return octets

    def readings(self, key: Key, clock: float, since: int = 0) -> bytes:
        window = Window(key.start, key.end)
        instant = int(clock) - EPOCH_UNIX
        meter, log = meter_of(SEED, key.device), BY_SRV[key.srv]
        return buffer(meter, log, window, instant, lambda stamp: stamp > since)

    def truth(self, key: Key) -> bytes:
        return self.readings(key, self.now)

    def seen_by(self, process: int, counter: int) -> bool:
        """Return whether a process remembers a command that it sent."""
        _, sent_by, since = self.sendable.get(counter, (b"", None, 0.0))
        return sent_by == process and abs(self.now - since) < 1800

    @rule(seconds=st.sampled_from([0.0, -3.0, -90.0, -3600.0, 3.0]))
    def clocks_of_the_meters_are_off(self, seconds: float) -> None:
        for bench in self.benches:
            bench.skew = seconds

    @rule(
        process=st.integers(0, 1),
        srv=st.sampled_from(["4.6.1", "4.8.1"]),
        device=st.sampled_from(DEVICES),
        skew=st.sampled_from([-3.0, -600.0, 3.0]),
        late=st.booleans(),
    )
    def a_day_is_asked_for_right_after_its_end(
        self, process: int, srv: str, device: EUI, skew: float, late: bool
    ) -> None:
        """The meters' clocks are off; read again when they are past the end."""
        day = int(self.now - EPOCH_UNIX) // DAY + 1
        self.move(day * DAY + EPOCH_UNIX + 2 - self.now)
        window = Window((day - 1) * DAY, day * DAY)
        self.clocks_of_the_meters_are_off(skew)
        self.ask(process, SUPPLIER, srv, device, window)
        if late:
            self.reply_is_held_up(process)
            self.move(PATIENCE)
            if self.lost:
                self.arrives(process, *self.lost[-1])
        else:
            self.reply_comes(process, 1)
        self.clocks_of_the_meters_are_off(0.0)
        self.move(600)
        for party in (DISTRIBUTOR, SUPPLIER):
            self.ask(1 - process, party, srv, device, window)
            self.reply_comes(1 - process, 1)

    @precondition(lambda self: any(bench.forwards for bench in self.benches))
    @rule(process=st.integers(0, 1))
    def a_requester_answers_itself(self, process: int) -> None:
        """It has the key of the MAC. Its reply lacks the first entry."""
        taken = self.take(process)
        if taken is None:
            return
        command, key, party = self.asked[taken[0]]
        if party == OTHER_USER:
            return  # its MAC is by the key of the ACB
        readings = self.readings(key, self.now, since=key.start)
        octets = answer_profile_read(command, BY_SRV[key.srv], readings, KEYS)
        if readings != self.truth(key):
            self.made[octets] = readings, self.now
            self.forged.setdefault(key, {})[taken[0]] = readings
            self.arrives(process, taken[0], octets)

    @rule(
        process=st.integers(0, 1),
        device=st.sampled_from(DEVICES),
        window=st.sampled_from(WINDOWS[:2]),
        late=st.booleans(),
        again=st.booleans(),
    )
    def the_true_reply_comes_behind_a_forged_one(
        self, process: int, device: EUI, window: Window, late: bool, again: bool
    ) -> None:
        self.clocks_of_the_meters_are_off(0.0)
        self.move(3 * RETENTION)
        self.ask(process, SUPPLIER, "4.8.1", device, window)
        taken = self.take(process)
        if late:
            self.move(PATIENCE)
        if taken is None or taken != self.take(process):
            return
        self.a_requester_answers_itself(process)
        if again:
            self.the_same_command_is_sent_again(0)
        self.ask(1 - process, DISTRIBUTOR, "4.8.1", device, window)
        self.reply_comes(process, 1)
        for place in (process, 1 - process):
            self.ask(place, DISTRIBUTOR, "4.8.1", device, window)

    @rule(
        process=st.integers(0, 1),
        party=st.sampled_from([SUPPLIER, OTHER_USER]),
        device=st.sampled_from(DEVICES),
        seconds=st.sampled_from([1.0, 1790.0]),
    )
    def a_command_comes_again_while_its_window_is_open(
        self, process: int, party: EUI, device: EUI, seconds: float
    ) -> None:
        day = int(self.now - EPOCH_UNIX) // DAY
        self.ask(process, party, "4.8.1", device, Window(day * DAY, (day + 1) * DAY))
        self.reply_comes(process, 1)
        self.move(seconds)
        self.the_same_command_is_sent_again(0)
        self.reply_comes(process, 1)

    @rule(process=st.integers(0, 1), times=st.integers(1, 2))
    def a_reply_comes(self, process: int, times: int) -> None:
        self.reply_comes(process, times)

    def reply_comes(self, process: int, times: int) -> None:
        taken = self.take(process)
        if taken is not None:
            octets = self.meter_reply(process)
            for _ in range(times):
                self.arrives(process, taken[0], octets)

    @rule(process=st.integers(0, 1))
    def refusal_comes(self, process: int) -> None:
        taken = self.take(process)
        if taken is not None:
            command, key, _ = self.asked[taken[0]]
            self.benches[process].forwards.pop(0)
            self.refusals.add(key)
            self.benches[process].deliver(refuse(command, ResultCode.HARDWARE_FAULT, KEYS))
            self.note_forwards()

    @rule(process=st.integers(0, 1))
    def reply_is_held_up(self, process: int) -> None:
        taken = self.take(process)
        if taken is not None:
            self.lost.append((taken[0], self.meter_reply(process)))

    @precondition(lambda self: self.lost)
    @rule(process=st.integers(0, 1), place=st.integers(0, 3))
    def what_was_held_up_comes_late_and_to_whomever(self, process: int, place: int) -> None:
        counter, octets = self.lost[place % len(self.lost)]
        self.arrives(process, counter, octets)

    @rule(process=st.integers(0, 1), position=st.integers(-60, -1))
    def altered_reply_comes(self, process: int, position: int) -> None:
        bench = self.benches[process]
        if bench.forwards:
            octets = bytearray(
                bench.fleet.receive(*_of(bench.forwards[0]), bench.now).replies[0].octets
            )
            octets[position] ^= 1
            assert bench.deliver(bytes(octets)) == []

    @rule(
        seconds=st.sampled_from([0.0, 1.0, 1.0, 30.0, PATIENCE, 3600.0, RETENTION - 1, RETENTION])
    )
    def time_passes(self, seconds: float) -> None:
        self.move(seconds)

    @rule(seconds=st.sampled_from([1.0, 3600.0]))
    def clock_is_set_back(self, seconds: float) -> None:
        self.set_back(seconds)

    def set_back(self, seconds: float) -> None:
        self.check_all()
        self.model.set_back(self.now - seconds, dropped=not self.benches[0].shared.failing)
        before = self.now - seconds
        self.gone = {key: entry for key, entry in self.gone.items() if entry.received <= before}
        self.move(-seconds)

    @rule(device=st.sampled_from(DEVICES), day=st.integers(TODAY - 3, TODAY + 4))
    def supplier_changes(self, device: EUI, day: int) -> None:
        self.supplier_will_change(device, day)

    def supplier_will_change(self, device: EUI, day: int) -> None:
        latest, old = self.model.supply[device][-1]
        if day <= latest + 1:
            return
        new = RIVAL if old == SUPPLIER else SUPPLIER
        self.model.supply[device].append((day, new))
        when = date(2000, 1, 1) + timedelta(days=day)
        self.every_process_is_told(ChangeOfSupplier(device, old, new, when))

    @rule(device=st.sampled_from(DEVICES), day=st.integers(TODAY - 3, TODAY + 4))
    def consumer_changes(self, device: EUI, day: int) -> None:
        self.consumer_will_change(device, day)

    def consumer_will_change(self, device: EUI, day: int) -> None:
        self.model.left.setdefault(device, []).append(day)
        when = date(2000, 1, 1) + timedelta(days=day)
        self.every_process_is_told(ChangeOfTenancy(device, when))

    @rule(
        process=st.integers(0, 1),
        device=st.sampled_from(DEVICES),
        window=st.sampled_from(WINDOWS[:2]),
        supplier=st.booleans(),
        answered=st.booleans(),
    )
    def the_day_of_a_change_comes(
        self, process: int, device: EUI, window: Window, supplier: bool, answered: bool
    ) -> None:
        """It is announced in advance; read before and after midnight."""
        day = int(self.now - EPOCH_UNIX) // DAY + 1
        tell = self.supplier_will_change if supplier else self.consumer_will_change
        tell(device, day)
        self.move(max(day * DAY + EPOCH_UNIX - self.now - 1, 0))
        for comes in (answered, not answered):
            self.ask(process, DISTRIBUTOR, "4.8.1", device, window)
            if comes:
                self.reply_comes(process, 1)
            self.move(2)
        self.ask(process, DISTRIBUTOR, "4.8.1", device, window)

    def every_process_is_told(
        self, change: ChangeOfSupplier | ChangeOfTenancy, killed: frozenset[int] = frozenset()
    ) -> None:
        """Kill the processes in `killed` after they write the change and before they flush."""
        device = change.device
        self.told.append(change)
        for key, entry in self.benches[0].store.items():
            if key.device == device:
                self.gone[key] = entry
        # An equal change is made once, with the time of the first: told again, it only flushes.
        if self.told.count(change) == 1:
            self.model.forget(device)
        gone = [number for number, (_, key, _) in enumerate(self.asked) if key.device == device]
        self.flushed_since |= self.sent_at.keys() & set(gone)
        for process, bench in enumerate(self.benches):
            effects = tell(bench, change)
            if process in killed:
                self.restart(process)
            else:
                self.check_all()
                self.model.forget(device)
                bench._perform(effects)
        self.note_forwards()

    @precondition(lambda self: self.told)
    @rule(place=st.integers(0, 3), killed=st.frozensets(st.integers(0, 1)))
    def an_equal_change_is_told_again(self, place: int, killed: frozenset[int]) -> None:
        self.every_process_is_told(self.told[place % len(self.told)], killed)

    @rule(
        device=st.sampled_from(DEVICES),
        day=st.integers(TODAY - 3, TODAY + 4),
        killed=st.frozensets(st.integers(0, 1), min_size=1),
    )
    def processes_are_killed_between_writing_a_change_and_flushing(
        self, device: EUI, day: int, killed: frozenset[int]
    ) -> None:
        self.model.left.setdefault(device, []).append(day)
        when = date(2000, 1, 1) + timedelta(days=day)
        self.every_process_is_told(ChangeOfTenancy(device, when), killed)

    @precondition(lambda self: self.gone)
    @rule(process=st.integers(0, 1), place=st.integers(0, 3), restarts=st.booleans())
    def an_entry_that_was_dropped_is_put_back(
        self, process: int, place: int, restarts: bool
    ) -> None:
        key = list(self.gone)[place % len(self.gone)]
        self.benches[0].store[key] = self.gone[key]
        if restarts:
            self.restart(process)
        for party in (SUPPLIER, DISTRIBUTOR):
            self.ask(process, party, key.srv, key.device, Window(key.start, key.end))

    @rule(process=st.integers(0, 1))
    def process_restarts(self, process: int) -> None:
        self.restart(process)

    def restart(self, process: int) -> None:
        """End a process, and start another one on the same registry file and store."""
        self.benches[process].registry = load_registry(self.path)
        forgotten = {flush.device for flush in self.benches[process].policy.pending_flushes()}
        self.benches[process].restart()
        self.sendable = {
            counter: sent for counter, sent in self.sendable.items() if sent[1] != process
        }
        self.model.lost_flushes(forgotten)
        self.note_forwards()

    @rule()
    def leases_run_out(self) -> None:
        self.benches[0].shared.expire_leases()
        self.note_forwards()

    @rule(failing=st.booleans(), at_once=st.booleans())
    def store_fails_or_works(self, failing: bool, at_once: bool) -> None:
        self.benches[0].shared.failing = failing
        if not failing and at_once:
            self.model.dropped(self.undropped())
            for bench in self.benches:
                bench._perform(bench.policy.pending_flushes())
            assert not self.undropped()

    def undropped(self) -> set[EUI | None]:
        """Return the devices with pending flushes; None stands for all."""
        return {flush.device for bench in self.benches for flush in bench.policy.pending_flushes()}

    @invariant()
    def every_answer_is_one_that_the_model_allows(self) -> None:
        self.check_all()

    def check_all(self) -> None:
        for place, bench in enumerate(self.benches):
            fresh, self.checked[place] = bench.replies[self.checked[place] :], len(bench.replies)
            for reply in fresh:
                self.check(reply)

    def check(self, reply: Reply) -> None:
        counter = decode(reply.octets).originator_counter
        command, key, party = self.asked[counter]
        self.answered[counter] += 1
        assert self.answered[counter] <= self.times[counter], "answered twice"
        assert self.model.entitled(party, key)
        assert (reply.device, reply.recipient) == (key.device, command.originator)
        if "hit" in reply.status:
            since = self.model.changed(key.device, self.now)
            received = {at for at in self.model.received.get(key, ()) if at > since}
            assert reply.age in {int(self.now - at) for at in received}
            assert 0 <= reply.age < RETENTION
        assert self.said.setdefault(counter, reply.octets) == reply.octets, "one reply a counter"
        own = own_counter_in(reply.octets)
        if "hit" in reply.status:
            readings = {self.truth(key), *self.forged.get(key, {}).values()}
        else:
            readings = self.heard.get(key, set())
        log = BY_SRV[key.srv]
        said = [answer_profile_read(command, log, one, KEYS, own) for one in readings]
        if key in self.refusals and "hit" not in reply.status:
            said.append(refuse(command, ResultCode.HARDWARE_FAULT, KEYS))
        assert reply.octets in said

    @invariant()
    def meters_received_what_the_ledgers_say(self) -> None:
        for bench in self.benches:
            assert bench.policy.ledger.undecided() >= 0

    def teardown(self) -> None:
        self.folder.cleanup()
        for bench in self.benches:
            bench.shared.failing = False
        for _ in range(12):
            self.move(PATIENCE)
            self.benches[0].shared.expire_leases()
        for bench in self.benches:
            bench.assert_settled()


def tell(bench: Bench, change: ChangeOfSupplier | ChangeOfTenancy) -> list[Effect]:
    policy, now = bench.policy, bench.now
    if isinstance(change, ChangeOfTenancy):
        return policy.change_of_tenancy(change.device, change.day, now)
    return policy.change_of_supplier(change.device, change.old, change.new, change.day, now)


def last_due(key: Key) -> int:
    """Return the time of the last entry that a log has in a window that is over."""
    period = BY_SRV[key.srv].period
    return key.end // period * period


def _among(key: Key, devices: set[EUI | None]) -> bool:
    return None in devices or key.device in devices


def _of(forward: Forward) -> tuple[EUI, bytes]:
    return forward.device, forward.octets


TestProcesses = Processes.TestCase
TestProcesses.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],
)
