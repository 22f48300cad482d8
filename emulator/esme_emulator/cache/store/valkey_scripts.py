"""Lua scripts for the atomic steps of a Valkey or Redis server, and the keys they use. Data alone.

All keys of an estate on one server begin with `esme:{<estate>}:`, followed by one of `Names`. In a
cluster they are divided by device into groups, which begin with `esme:{<estate>/<number>}:`. The
braces put a group into one slot, so that a script can use all of it; device counters alone stay
under the estate. An entry is its time of receipt, a big-endian double, and the compressed readings.
Fences are at least the server's microseconds since 1970, so that they grow even if the server
forgot the one before.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

from esme_emulator.cache.entry import Key
from esme_emulator.cache.store.base import ENTRY_OCTETS
from esme_emulator.cache.store.sealing import key_text

SHARDS = 256
"""Shards of an estate in a cluster. More even out its nodes; each has its part of the limit."""


class Names:
    """Names of keys in one slot: all of an estate's, or those of a group."""

    def __init__(self, slot: str) -> None:
        self.prefix = f"esme:{{{slot}}}:"
        self.fence = self.prefix + "fence"
        """Key of the greatest fence given."""
        self.own_counter = self.prefix + "own-counter"
        """Key of the next device counter to give."""
        self.own_counter_run = self.prefix + "own-counter-run"
        """Key of the `run_id` of the server that gave the last device counter."""
        self.octets = self.prefix + "octets"
        """Key of a hash of the octets that each entry counts; under the empty name, the sum."""
        self.received = self.prefix + "received"
        """Key of the sorted set of all entries' keys as text, by time of receipt."""

    def entry(self, key: Key) -> str:
        """Return the name of the entry under `key`."""
        return f"{self.prefix}entry:{key_text(key)}"

    def lease(self, key: Key) -> str:
        """Return the name of the fence of the live lease on `key`; both expire together."""
        return f"{self.prefix}lease:{key_text(key)}"

    def latest(self, key: Key) -> str:
        """Return the name of the fence of the latest unsettled lease on `key`."""
        return f"{self.prefix}latest:{key_text(key)}"

    def settled(self, fence: int) -> str:
        """Return the name of the value that a lease was settled with."""
        return f"{self.prefix}settled:{fence}"

    def device(self, device: object) -> str:
        """Return the name of the sorted set of one device's keys as text, by time of receipt."""
        return f"{self.prefix}device:{device}"


def groups_of(estate: str) -> list[Names]:
    """Return the names of each group of an estate in a cluster."""
    return [Names(f"{estate}/{number}") for number in range(SHARDS)]


def group_of(groups: list[Names], device: bytes) -> Names:
    """Return the one of `groups` that has the keys of `device`."""
    return groups[crc32(device) % len(groups)]


@dataclass(frozen=True)
class Script:
    """A script, which a server knows by its hash once it ran."""

    text: str

    @cached_property
    def sha(self) -> str:
        """The SHA-1 of the text, in hexadecimal."""
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


_DROP = """
local function count(prefix, member, octets)
  local counts = prefix .. 'octets'
  local before = tonumber(redis.call('HGET', counts, member) or '') or 0
  local all = tonumber(redis.call('HGET', counts, '') or '') or 0
  if octets then redis.call('HSET', counts, member, octets)
  else redis.call('HDEL', counts, member) end
  all = math.max(0, all + (octets or 0) - before)
  if all > 0 then redis.call('HSET', counts, '', string.format('%.0f', all))
  else redis.call('HDEL', counts, '') end
  return all
end

local function drop(prefix, member)
  local gone = redis.call('DEL', prefix .. 'entry:' .. member)
  redis.call('ZREM', prefix .. 'received', member)
  redis.call('ZREM', prefix .. 'device:' .. string.match(member, '^[^:]*'), member)
  return gone, count(prefix, member, nil)
end
"""

_KEEP = (
    _DROP
    + f"""
local function keep(entry, by_time, by_device, value, px, member, received, prefix, limit)
  if #value + {ENTRY_OCTETS} > tonumber(limit) then
    drop(prefix, member)
    return 1
  end
  if px == '' then redis.call('SET', entry, value)
  else redis.call('SET', entry, value, 'PX', px) end
  redis.call('ZADD', by_time, received, member)
  redis.call('ZADD', by_device, received, member)
  local octets = count(prefix, member, #value + {ENTRY_OCTETS})
  local evicted, gone = 0, 0
  for _ = 1, 1000 do
    if octets <= tonumber(limit) then break end
    local oldest = redis.call('ZRANGE', by_time, 0, 0)[1]
    if not oldest then
      redis.call('DEL', prefix .. 'octets')
      break
    end
    gone, octets = drop(prefix, oldest)
    evicted = evicted + gone
  end
  return evicted
end
"""
)

CLAIM = Script("""
local entry = redis.call('GET', KEYS[1])
if entry and #entry > 8 and struct.unpack('>d', entry) > tonumber(ARGV[1]) then
  return {'entry', entry}
end
local held = redis.call('GET', KEYS[2])
if held and string.match(held, '^%d+$') then return {'held', held} end
local time = redis.call('TIME')
local fence = math.max(
  tonumber(redis.call('GET', KEYS[4]) or '0') + 1, time[1] * 1000000 + time[2])
fence = string.format('%.0f', fence)
redis.call('SET', KEYS[4], fence)
redis.call('SET', KEYS[2], fence, 'PX', ARGV[2])
redis.call('SET', KEYS[3], fence, 'PX', ARGV[3])
return {'lease', fence}
""")
"""Keys: entry, lease, latest, fence. Arguments: received after; milliseconds of the lease, and
until it can no longer be settled. Returns which of the three it is, and the entry or the fence."""

RENEW = Script("""
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
return 1
""")
"""Keys: lease, latest. Arguments: fence, and milliseconds as above. Returns 1, or 0 if lost."""

SETTLE = Script(
    _KEEP
    + """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return -1 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
if ARGV[4] == '' then return 0 end
return keep(KEYS[4], KEYS[5], KEYS[6], unpack(ARGV, 4))
"""
)
"""Keys: lease, latest, settled, entry, received, device. Arguments: fence, the value that it is
settled with, for how many milliseconds; then nothing, or those of `PUT`. Returns the number of
evicted entries, or -1 if lost."""

PUT = Script(_KEEP + "return keep(KEYS[1], KEYS[2], KEYS[3], unpack(ARGV))")
"""Keys: entry, received, device. Arguments: the entry, its milliseconds or nothing, its key as
text, its time of receipt, the prefix, the limit. Returns the number of evicted entries."""

DROP = Script(
    _DROP
    + """
local dropped = 0
local after, before = tonumber(ARGV[2]), tonumber(ARGV[3])
for index = 4, #ARGV do
  local received = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[index]) or '')
  if received and after < received and received < before then
    dropped = dropped + drop(ARGV[1], ARGV[index])
  end
end
return dropped
"""
)
"""Keys: received or device. Arguments: prefix, received after and before, keys as text. Returns
the number of dropped entries."""

COVERING = Script("""
local found = {}
local latest = redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(latest) do
  local device, srv, first, last, identity =
    string.match(member, '^(%x+):([^:]*):(%d+):(%d+):([^:]*)$')
  if device and srv == ARGV[3] and identity == ARGV[4]
    and tonumber(first) <= tonumber(ARGV[5]) and tonumber(last) >= tonumber(ARGV[6]) then
    found[#found + 1] = member
    if #found == tonumber(ARGV[7]) then break end
  end
end
return found
""")
"""Keys: device. Arguments: received after, as a bound of a range; number of entries to search;
SRV, identity, start, end; number of keys wanted. Returns keys as text, the latest first."""

SIZE = Script("""
local octets = tonumber(redis.call('HGET', KEYS[1], '') or '') or 0
return {math.max(0, redis.call('HLEN', KEYS[1]) - 1), string.format('%.0f', octets)}
""")
"""Keys: octets. Returns the number of entries, and as text what they count."""

RESERVE = Script("""
local said = redis.pcall('INFO', 'server')
local run = type(said) == 'string' and string.match(said, 'run_id:(%w+)') or 'unknown'
local first = redis.call('GET', KEYS[1]) or '0'
local lost = first == '0' or redis.call('GET', KEYS[2]) ~= run
local earliest = lost and ARGV[2] or ARGV[1]
if #first < #earliest or (#first == #earliest and first < earliest) then first = earliest end
redis.call('SET', KEYS[1], first)
redis.call('INCRBY', KEYS[1], ARGV[3])
if ARGV[3] ~= '0' then redis.call('SET', KEYS[2], run) end
return {first, lost and 1 or 0}
""")
"""Keys: own counter, run. Arguments in decimal: earliest, earliest if the server may have forgotten
which it gave, size. Returns the first counter, and 1 if it may have. Compares text, since a number
of Lua has 53 bits."""
