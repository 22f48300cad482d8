"""COSEM objects: what the logical names (OBIS codes) of a meter and a communications hub stand for.

Knows class, logical name and a name in words for each object. Knows nothing of octets other than
the six of a logical name.

Sources. Names marked `g` follow those of SMETS and CHTS as the GBCS Mapping Table assigns them to
class and OBIS code: from the GBCS v4 use cases rendered in HenryGiraldo/gbcs-parser-js, the table
of activation attributes in GBCS v0.8 section 9.2.2.7, the instance names of DCC's gbcs-parser, and
the DLMS Blue Book for objects that every meter has. Names marked `i` are inferred: from the title
of the use case that reads or sets the object, its values in the vectors, and its neighbours.

An object that holds what a later activation makes current is marked `next`.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CosemObject:
    """One object: its class, its logical name and what it is."""

    class_id: int
    obis: bytes
    """Six octets."""
    name: str
    inferred: bool
    """Whether `name` is a conclusion of ours rather than one that a document gives."""


def obis_text(obis: bytes) -> str:
    """Return a logical name as DLMS writes it.

    >>> obis_text(bytes.fromhex("0000630100FF"))
    '0-0:99.1.0.255'

    Octets that are not six are written in hexadecimal.
    """
    if len(obis) != 6:
        return obis.hex().upper()
    a, b, *rest = obis
    return f"{a}-{b}:" + ".".join(map(str, rest))


# Columns: class; OBIS code; g where a document names it, i where inferred; name.
_TABLE = """
0    0-0:0.0.0.0        g No object
1    0-0:0.2.1.255      i Firmware version
1    0-0:94.44.0.0      g Randomised offset
1    0-0:94.44.0.1      g Randomised offset limit
1    0-0:94.44.0.2      g Randomised offset number
1    0-0:94.44.0.4      i Supply tamper state
1    0-0:94.44.0.11     i Auxiliary controller 1 description
1    0-0:94.44.0.12     i Auxiliary controller 2 description
1    0-0:94.44.0.13     i Auxiliary controller 3 description
1    0-0:94.44.0.14     i Auxiliary controller 4 description
1    0-0:94.44.0.15     i Auxiliary controller 5 description
1    0-0:94.44.0.21     g Auxiliary controller 1 type and identifier
1    0-0:94.44.0.22     g Auxiliary controller 2 type and identifier
1    0-0:94.44.0.23     g Auxiliary controller 3 type and identifier
1    0-0:94.44.0.24     g Auxiliary controller 4 type and identifier
1    0-0:94.44.0.25     g Auxiliary controller 5 type and identifier
1    0-0:94.44.0.31     g Auxiliary controller 1 state and associated information
1    0-0:94.44.0.32     g Auxiliary controller 2 state and associated information
1    0-0:94.44.0.33     g Auxiliary controller 3 state and associated information
1    0-0:94.44.0.34     g Auxiliary controller 4 state and associated information
1    0-0:94.44.0.35     g Auxiliary controller 5 state and associated information
1    0-0:94.44.3.1      g Disable privacy PIN protection
1    0-0:94.44.3.2      g Restrict data date-time
1    0-0:94.44.5.0      g Maximum demand (configurable time) active power import, last reset
1    0-0:94.44.5.1      g Maximum demand active power import, last reset
1    0-0:94.44.5.2      g Maximum demand active power export, last reset
1    0-0:94.44.6.1      i Boost function controls auxiliary controller 1
1    0-0:94.44.6.2      i Boost function controls auxiliary controller 2
1    0-0:94.44.6.3      i Boost function controls auxiliary controller 3
1    0-0:94.44.6.4      i Boost function controls auxiliary controller 4
1    0-0:94.44.6.5      i Boost function controls auxiliary controller 5
1    0-0:94.44.7.255    i Boost function
1    0-0:94.44.10.0     g Sub GHz configuration settings
1    0-0:94.44.10.1     g CHF sub GHz channel scan
1    0-0:94.44.10.2     g Operating sub GHz channel
1    0-0:94.44.34.1     g Tariff TOU register collection
1    0-0:94.44.34.2     g Tariff TOU and block register collection
1    0-0:94.44.34.10    g Import register collection
1    0-0:94.44.34.11    i Import MPAN collection
1    0-0:94.44.34.20    g Power import collection
1    0-0:94.44.34.30    g Prepayment balance collection
1    0-0:94.44.100.255  i Log entry timestamp
1    0-0:94.44.117.1    g Auxiliary controller 1 setting period start
1    0-0:94.44.117.2    g Auxiliary controller 1 setting period end
1    0-0:94.44.117.3    g Auxiliary controller 1 limit period start
1    0-0:94.44.117.4    g Auxiliary controller 1 limit period end
1    0-0:94.44.118.1    g Auxiliary controller 2 setting period start
1    0-0:94.44.118.2    g Auxiliary controller 2 setting period end
1    0-0:94.44.118.3    g Auxiliary controller 2 limit period start
1    0-0:94.44.118.4    g Auxiliary controller 2 limit period end
1    0-0:94.44.119.1    g Auxiliary controller 3 setting period start
1    0-0:94.44.119.2    g Auxiliary controller 3 setting period end
1    0-0:94.44.119.3    g Auxiliary controller 3 limit period start
1    0-0:94.44.119.4    g Auxiliary controller 3 limit period end
1    0-0:94.44.120.1    g Auxiliary controller 4 setting period start
1    0-0:94.44.120.2    g Auxiliary controller 4 setting period end
1    0-0:94.44.120.3    g Auxiliary controller 4 limit period start
1    0-0:94.44.120.4    g Auxiliary controller 4 limit period end
1    0-0:94.44.121.1    g Auxiliary controller 5 setting period start
1    0-0:94.44.121.2    g Auxiliary controller 5 setting period end
1    0-0:94.44.121.3    g Auxiliary controller 5 limit period start
1    0-0:94.44.121.4    g Auxiliary controller 5 limit period end
1    0-0:96.1.1.255     i Device identifier
1    0-0:96.1.2.255     i Meter variant
1    0-0:96.1.4.255     g Model type
1    0-0:96.1.6.255     g Manufacturer identifier
1    0-2:96.13.1.255    g Supplier message
1    0-3:96.13.1.255    g Customer identification number
1    0-30:97.98.11.255  g Alerts configuration settings, supplier
1    0-30:97.98.12.255  i Events to HAN devices configuration, supplier
1    0-30:97.98.13.255  i Audible alarms configuration, supplier
1    0-30:97.98.14.255  i Event logging configuration, supplier
1    0-30:97.98.15.255  i Alerts configuration, as read, supplier
1    0-30:97.98.16.255  i Events to HAN devices, as read, supplier
1    0-30:97.98.17.255  i Audible alarms, as read, supplier
1    0-30:97.98.18.255  i Event logging, as read, supplier
1    0-33:97.98.11.255  i Alerts configuration settings, network operator
1    0-33:97.98.14.255  i Event logging configuration, network operator
1    0-33:97.98.15.255  i Alerts configuration, as read, network operator
1    0-33:97.98.18.255  i Event logging, as read, network operator
1    1-0:0.0.2.255      i Export MPAN
1    1-0:32.31.0.4      g Average RMS under voltage threshold, phase 1
1    1-0:32.35.0.4      g Average RMS over voltage threshold, phase 1
1    1-0:52.31.0.4      g Average RMS under voltage threshold, phase 2
1    1-0:52.35.0.4      g Average RMS over voltage threshold, phase 2
1    1-0:72.31.0.4      g Average RMS under voltage threshold, phase 3
1    1-0:72.35.0.4      g Average RMS over voltage threshold, phase 3
3    0-0:94.44.1.7      g Primary active tariff price
3    0-0:94.44.1.8      g Secondary active tariff price
3    0-0:94.44.42.255   g Load limit counter
3    1-0:1.8.0.255      g Active import register
3    1-0:2.8.0.255      g Active export register
3    1-0:4.8.0.255      g Reactive export register
3    1-0:32.32.0.4      g Average RMS under voltage counter, phase 1
3    1-0:32.36.0.4      g Average RMS over voltage counter, phase 1
3    1-0:52.32.0.4      g Average RMS under voltage counter, phase 2
3    1-0:52.36.0.4      g Average RMS over voltage counter, phase 2
3    1-0:72.32.0.4      g Average RMS under voltage counter, phase 3
3    1-0:72.36.0.4      g Average RMS over voltage counter, phase 3
3    1-20:1.8.0.255     i Secondary active import register
4    1-0:1.6.0.255      g Maximum demand active power import
4    1-0:1.6.1.255      g Maximum demand (configurable time) active power import
4    1-0:2.6.0.255      g Maximum demand active power export
7    0-0:94.44.10.3     i CHF sub GHz channel log
7    0-0:98.1.0.255     g Billing data log, billing calendar: registers
7    0-0:98.1.1.255     g Billing data log, billing calendar: prepayment
7    0-0:98.1.2.255     g Billing data log, change of payment mode or tariff
7    0-0:98.1.4.255     g Billing data log, payment based debt payments
7    0-0:98.1.5.255     g Billing data log, prepayment credits
7    0-0:98.1.8.255     g Prepayment daily read log
7    0-0:98.1.9.255     g Daily read log
7    0-0:98.1.10.255    g Daily read log, export
7    0-0:99.1.0.255     g Profile data log, active import
7    0-0:99.1.1.255     g Profile data log, export
7    0-0:99.1.2.255     g Profile data log, reactive import
7    0-0:99.1.3.255     g Daily consumption log
7    0-0:99.98.0.255    g Event log
7    0-0:99.98.1.255    i Security log
7    0-0:99.98.4.255    i Power event log
7    0-0:99.98.20.255   i Boost function event log
7    0-17:99.98.2.255   g Auxiliary controller event log
7    1-0:32.24.0.255    g Average RMS voltage profile data log, phase 1
7    1-0:52.24.0.255    g Average RMS voltage profile data log, phase 2
7    1-0:72.24.0.255    g Average RMS voltage profile data log, phase 3
8    0-0:1.0.0.255      g Clock
9    0-0:10.0.100.255   g Tariff TOU and block counter scripts
9    0-0:10.0.103.255   g Auxiliary controller commanded state
9    0-0:10.0.106.255   i Load switch scripts
9    0-0:10.0.107.255   g Auxiliary proportional controller limit
10   0-0:12.0.0.255     g Maximum demand configurable time period
10   0-0:12.0.1.255     g Non-disablement calendar
10   0-0:12.0.2.255     g Auxiliary controller calendar
10   0-1:12.0.1.255     g Non-disablement calendar, next
10   0-1:12.0.2.255     g Auxiliary controller calendar, next
11   0-0:11.0.0.255     g Tariff switching table special days
11   0-0:11.0.1.255     g Secondary tariff switching table special days
11   0-0:11.0.2.255     g Non-disablement calendar special days
11   0-0:11.0.3.255     g Auxiliary controller calendar special days
11   0-1:11.0.0.255     g Tariff switching table special days, next
11   0-1:11.0.1.255     g Secondary tariff switching table special days, next
11   0-1:11.0.2.255     g Non-disablement calendar special days, next
11   0-1:11.0.3.255     g Auxiliary controller calendar special days, next
20   0-0:13.0.0.255     g Tariff switching table
20   0-0:13.0.1.255     g Secondary tariff switching table
21   0-0:16.0.0.255     i Instantaneous power thresholds
21   0-0:16.0.1.255     g Disablement threshold (meter balance)
21   0-0:16.0.11.255    g Tariff threshold matrix, blocks, TOU 1
21   0-0:16.0.12.255    g Tariff threshold matrix, blocks, TOU 2
21   0-0:16.0.13.255    g Tariff threshold matrix, blocks, TOU 3
21   0-0:16.0.14.255    g Tariff threshold matrix, blocks, TOU 4
21   0-0:16.0.15.255    g Tariff threshold matrix, blocks, TOU 5
21   0-0:16.0.16.255    g Tariff threshold matrix, blocks, TOU 6
21   0-0:16.0.17.255    g Tariff threshold matrix, blocks, TOU 7
21   0-0:16.0.18.255    g Tariff threshold matrix, blocks, TOU 8
21   0-0:16.1.11.255    g Tariff threshold matrix, blocks, TOU 1, next
21   0-0:16.1.12.255    g Tariff threshold matrix, blocks, TOU 2, next
21   0-0:16.1.13.255    g Tariff threshold matrix, blocks, TOU 3, next
21   0-0:16.1.14.255    g Tariff threshold matrix, blocks, TOU 4, next
21   0-0:16.1.15.255    g Tariff threshold matrix, blocks, TOU 5, next
21   0-0:16.1.16.255    g Tariff threshold matrix, blocks, TOU 6, next
21   0-0:16.1.17.255    g Tariff threshold matrix, blocks, TOU 7, next
21   0-0:16.1.18.255    g Tariff threshold matrix, blocks, TOU 8, next
22   0-0:15.0.0.255     g Billing calendar
30   0-0:43.2.1.255     g Prepayment balance collection, protected
30   0-0:43.2.2.255     g Billing data log, billing calendar, protected
30   0-0:43.2.3.255     g Billing data log, change of payment mode or tariff, protected
30   0-0:43.2.4.255     g Daily consumption log, protected
30   0-0:43.2.5.255     g Daily read log, protected
30   0-0:43.2.6.255     g Prepayment daily read log, protected
30   0-0:43.2.7.255     g Profile data log, active import, protected
30   0-0:43.2.8.255     g Import register collection, protected
30   0-0:43.2.9.255     g Tariff TOU register collection, protected
30   0-0:43.2.10.255    g Tariff TOU and block register collection, protected
70   0-0:96.3.10.255    i Load switch
70   0-1:96.3.10.255    i Auxiliary load control switch 1
70   0-2:96.3.10.255    i Auxiliary load control switch 2
70   0-3:96.3.10.255    i Auxiliary load control switch 3
70   0-4:96.3.10.255    i Auxiliary load control switch 4
70   0-5:96.3.10.255    i Auxiliary load control switch 5
71   0-0:17.0.0.255     g Load limit
71   0-0:17.0.1.255     g RMS extreme over voltage
71   0-0:17.0.2.255     g RMS extreme under voltage
71   0-0:17.0.3.255     g RMS voltage sag
71   0-0:17.0.4.255     g RMS voltage swell
104  0-0:30.3.0.255     g CHF device log
111  0-0:19.0.0.255     g Account and payment mode
111  0-1:19.0.0.255     g Account and payment mode, next
112  0-0:19.10.0.255    g Meter balance
112  0-0:19.10.1.255    g Emergency credit
112  0-0:19.10.2.255    g Accumulated debt register
113  0-0:19.20.0.255    g Tariff block and TOU price matrix
113  0-0:19.20.1.255    g Time debt 1
113  0-0:19.20.2.255    g Time debt 2
113  0-0:19.20.3.255    g Payment debt
113  0-0:19.20.4.255    g Standing charge
113  0-0:19.20.5.255    g Secondary tariff TOU price matrix
115  0-0:19.40.0.255    g Prepayment credit
9000 0-0:63.1.1.255     g Tariff threshold matrix
9000 0-0:94.44.0.3      g Load limit supply state
9000 0-0:94.44.2.0      g Currency unit
9000 0-0:94.44.2.10     g Prepayment credit, maximum credit threshold
9000 0-0:94.44.2.20     g Prepayment credit, maximum meter balance
9000 0-0:94.44.128.2    g Emergency credit limit
9000 0-0:94.44.128.3    g Emergency credit threshold
9000 0-0:94.44.128.6    g Load limit period
9000 0-0:94.44.128.7    g Load limit power threshold
9000 0-0:94.44.128.8    g Load limit restoration period
9000 0-0:94.44.128.9    g Low credit threshold
9000 0-0:94.44.128.12   g Debt recovery rate cap
9000 0-0:94.44.128.13   g Debt recovery rate cap period
9000 0-0:94.44.128.22   g Disablement threshold (meter balance)
9000 0-0:94.44.128.26   g Auxiliary controller calendar
9000 0-0:94.44.128.28   g Non-disablement calendar
9000 0-0:94.44.128.29   g Tariff switching table special days
9000 0-0:94.44.128.30   g Secondary tariff switching table special days
9000 0-0:94.44.128.31   g Non-disablement calendar special days
9000 0-0:94.44.128.32   g Standing charge period
9000 0-0:94.44.128.35   i Auxiliary controller calendar special days
9000 0-0:96.13.0.255    g Contact details, supplier telephone number
9000 0-0:96.13.1.255    g Contact details, supplier name
"""


def _row(line: str) -> CosemObject:
    class_id, obis, mark, name = line.split(None, 3)
    octets = bytes(int(part) for part in re.split("[-:.]", obis))
    return CosemObject(int(class_id), octets, name, inferred=mark == "i")


OBJECTS = tuple(_row(line) for line in _TABLE.strip().splitlines())
"""Every object that has a name, by class and logical name."""
