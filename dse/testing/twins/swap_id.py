"""swap_id: PTEs hold an ID, and a dict says which (device, offset) it means. Everything underneath is a Swapfile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dse.testing.twins.life import PHASES
from dse.testing.twins.parts import Device, Folio, Phase
from dse.testing.twins.slots import Entry
from dse.testing.twins.swapfile import Swapfile
from kernels import demand as d
from kernels.life.registry import Config

SPACE = 1 << 14  # slots after which a device starts anew
TRIES = 64
PER_CPU = 1  # policy


class Ids:
    """The ID map and the policy that picks a free one."""

    def __init__(self, policy: int, slots: int, limit: int, span: int) -> None:
        self.map: dict[int, Entry] = {}
        self.moved: set[int] = set()
        self.slots, self.limit, self.span = slots, limit or 4 * max(slots, 64), 1 << (span or 9)
        self.pick = (self.lowest, self.per_cpu, self.cyclic, self.reuse)[policy]
        self.next = 0 if policy == PER_CPU else 1
        self.ranges: dict[int, tuple[int, int]] = {}  # cpu -> range, next in it
        self.behind = 0  # the last run
        self.freed = self.collisions = self.never_moved = 0

    def alloc(self, entry: Entry, index: int, cpu: int) -> int | None:
        """An ID that means `entry`, whose slot has number `index`."""
        found = self.pick(index, cpu)
        if found is not None:
            self.map[found] = entry
        return found

    def alloc_run(self, entries: list[Entry]) -> list[int] | None:
        """IDs in a row that mean `entries`, from a multiple of their number on, behind the run before; None after so many tries."""
        n = len(entries)
        at = -(-max(1, self.behind) // n) * n
        for _ in range(TRIES):
            if at + n - 1 > self.limit:
                at = n
            busy = min((i for i in self.map if i >= at), default=None)
            if busy is None or busy >= at + n:
                break
            at = -(-(busy + 1) // n) * n
        else:
            return None
        if at + n - 1 > self.limit:
            return None
        self.behind = at + n
        self.map |= {at + i: entry for i, entry in enumerate(entries)}
        return list(range(at, at + n))

    def free(self, value: int) -> None:
        del self.map[value]
        self.freed += 1
        self.never_moved += value not in self.moved
        self.moved.discard(value)

    def first(self, low: int, high: int) -> int | None:
        return next((i for i in range(low, high + 1) if i not in self.map), None)

    def from_start(self, low: int) -> int | None:
        """From `low` on, else from 1 on."""
        found = self.first(max(1, low), self.limit)
        return found if found is not None or low <= 1 else self.first(1, self.limit)

    def lowest(self, index: int, cpu: int) -> int | None:
        return self.from_start(1)

    def cyclic(self, index: int, cpu: int) -> int | None:
        found = self.from_start(self.next)
        self.next = 0 if found is None else found + 1
        return found

    def reuse(self, index: int, cpu: int) -> int | None:
        """The number of the slot itself, or one above all slots where a page that has moved away still has it."""
        if index + 1 not in self.map:
            return index + 1
        self.collisions += 1
        return self.from_start(self.slots + 1)

    def per_cpu(self, index: int, cpu: int) -> int | None:
        """From a range that only this CPU allocates from, until it is used up."""
        for _ in range(TRIES):
            which, at = self.ranges.get(cpu, (0, self.span))
            low, end = max(1, which * self.span + at), (which + 1) * self.span
            found = self.first(low, end - 1)
            if found is not None:
                self.ranges[cpu] = which, found - which * self.span + 1
                return found
            self.ranges[cpu] = self.next % max(1, (self.limit + 1) // self.span), 0
            self.next += 1
        return self.first(1, self.limit)


class SwapId(Swapfile):
    """The mail's design."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.base, total = {}, 0
        for n, device in self.devices.items():
            self.base[n] = total
            total += -(-device.size // SPACE) * SPACE
        words = config.parameters
        self.ids = Ids(words.get("C_ID_POLICY", 0), total, words.get("C_ID_LIMIT", 0), words.get("C_ID_RANGE", 0))
        self.with_cache = words.get("C_ID_LIFE", 0) == 1
        self.in_a_row = words.get("C_ID_RUNS", 0) == 1
        self.retries = 0

    def native(self) -> bool:
        return bool(self.config.parameters.get("C_NATIVE", 0))

    def more(self) -> dict[str, Any]:
        ids = self.ids
        return {
            "ids": dict(ids.map), "freed ids": ids.freed, "ids that never moved": ids.never_moved,
            "collisions": ids.collisions, "hand-over retries": self.retries,
        }  # fmt: skip

    # -- the layer ------------------------------------------------------------------------------

    def resolve(self, value: int) -> Entry:
        return self.ids.map[value]

    def same(self, value: int, entry: Entry) -> bool:
        return self.ids.map.get(value) == entry

    def read_same(self, value: int, entry: Entry) -> bool:
        return not self.with_cache or self.same(value, entry)

    def still(self, value: int, entry: Entry) -> bool:
        return self.with_cache or self.same(value, entry)

    def publish(self, folio: Folio, entry: Entry, cpu: int) -> Any:
        if folio.value is None or (not self.with_cache and self.unused(entry)):
            folio.value = self.ids.alloc(entry, self.base[entry[0]] + entry[1], cpu)
        return folio.value

    def publish_run(self, folios: list[Folio], entries: list[Entry], cpu: int) -> list[Any]:
        values = self.ids.alloc_run(entries) if self.in_a_row else None
        if values is None:
            return super().publish_run(folios, entries, cpu)
        for folio, value in zip(folios, values, strict=True):
            folio.value = value
        return list(values)

    def following(self, value: int) -> Iterable[int]:
        return [value]

    def unheld(self, value: int, entry: Entry) -> None:
        if not self.with_cache:
            self.ids.free(value)

    def gone(self, value: int, entry: Entry) -> None:
        if self.with_cache:
            self.ids.free(value)

    # -- moves: hold in A's cache; take B's slot; hand over count and mapping; copy and leave A; end of writeback -------------

    def move_step(self, page: int, phase: Phase, cpu: int) -> int:
        if phase.step == 0 and self.impossible(phase):
            return d.WRONG_BACKEND
        if phase.source == d.ZSWAP and phase.target == phase.entry[0]:
            return self.zswap_writeback(page, phase)
        if phase.step == 0:
            return d.BUSY if self.lookup(phase.entry) is not None else self.hold(page, phase)
        return self.move_on_step(phase, cpu)

    def move_on_step(self, phase: Phase, cpu: int) -> int:
        if phase.step == 1:
            return self.take_slot(phase, cpu)
        if phase.step == 2:
            return self.hand_over(phase)
        if phase.step == 3:
            return self.leave_a(phase)
        assert phase.folio
        self.writeback_end(phase.folio)
        return d.MOVED

    def take_slot(self, phase: Phase, cpu: int) -> int:
        old = phase.entry
        if self.unused(old):
            return self.give_up(phase, d.MOVED_AWAY)
        phase.new = self.allocate(phase.target, cpu)
        if phase.new is None:
            return self.give_up(phase, d.FULL)
        self.slot(phase.new).cache = phase.folio
        if not self.pages.prepare(phase.new[0], phase.new[1], self.slot(old).count):
            return self.give_up(phase, d.NO_MEMORY)
        phase.step = 2
        return d.STEPPED

    def phase(self) -> int:
        return 4 if self.config.parameters.get("C_BASE", 0) else 0

    def hand_over(self, phase: Phase) -> int:
        """Count and owner go to B, which the ID then means."""
        old, new = self.slot(phase.entry), self.slot(phase.new)
        if old.count == 0:
            return self.give_up(phase, d.MOVED_AWAY)
        device, offset = phase.new
        if not self.pages.fits(device, offset, old.count):
            self.retries += 1
            return d.STEPPED if self.pages.prepare(device, offset, old.count) else self.give_up(phase, d.NO_MEMORY)
        self.set_count(phase.new, old.count)
        self.charged[old.memcg] += 0 if new.memcg else 1
        new.memcg = old.memcg
        assert phase.folio
        self.ids.map[phase.value] = phase.new
        self.ids.moved.add(phase.value)
        self.set_count(phase.entry, 0)
        phase.folio.entry = phase.new
        phase.step = 3
        return d.STEPPED

    def leave_a(self, phase: Phase) -> int:
        """Copy and free A's slot."""
        old = self.slot(phase.entry)
        if phase.borrowed:
            assert phase.folio
            self.slot(phase.new).zero = old.zero and not phase.folio.dirty
            self.slot(phase.new).token = phase.folio.token
        else:
            assert phase.folio
            self.copy(phase.folio, phase.entry, phase.new)
        self.forget(old)
        self.release_slot(phase.entry)
        self.under_way(phase)
        return d.STEPPED

    def give_up(self, phase: Phase, why: int) -> int:
        """B's slot goes, A keeps the page."""
        assert phase.folio
        if phase.new is not None:
            self.release_slot(phase.new)
        if phase.borrowed:
            phase.folio.locked = False
            self.drop_unused(phase.folio)
            return why
        return self.back_out(phase.folio, why)

    # -- swapoff: every ID is looked at -----------------------------------------------------------

    def swapoff(self, device: int, target: int, cpu: int) -> int:
        if target in (d.MEMORY, device):
            return super().swapoff(device, target, cpu)
        dev = self.devices.get(device)
        if dev is None or not dev.on:
            return d.DEVICE_OFF
        dev.on = False
        for value, entry in self.leaving(device):
            if len(self.phases) < PHASES:
                self.move_off(Phase(None, value, entry, source=self.place(entry), target=target), cpu)
        self.move_rest(dev)
        return self.sweep(dev)

    def move_rest(self, dev: Device) -> None:
        """Do nothing: no page of a device that is going is without an ID."""

    def leaving(self, device: int) -> Iterator[tuple[int, Entry]]:
        """IDs whose pages are on a device that is going, and their entries, while they are moved."""
        for value in range(1, max(self.ids.map, default=0) + 1):
            entry = self.ids.map.get(value)
            if entry is not None and entry[0] == device:
                yield value, entry

    def move_off(self, phase: Phase, cpu: int) -> None:
        """Move one page of a device that is going; a folio in the cache is used as it is."""
        if self.impossible(phase):
            return
        folio = self.lookup(phase.entry)
        if folio is None:
            if self.hold(0, phase) != d.STEPPED:
                return
        elif folio.busy:
            return
        else:
            folio.locked, folio.value = True, phase.value
            phase.folio, phase.borrowed, phase.step = folio, True, 1
        while self.move_on_step(phase, cpu) == d.STEPPED:
            pass
