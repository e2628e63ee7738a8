"""Shapes of real swap bugs, made in the kernels: what ships with the package must find each, without a twin and in seconds.

``python -m tests.shapes NAME`` with ``NUMBA_DISABLE_JIT=1`` makes one, ``python -m tests.shapes`` all, and prints what found it and how
long that took. Without it each is made in a copy of the sources, which is compiled, in a process of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dse.testing.mutants import Mutants, Step, edited
from kernels.compiling.jit import INTERPRETED
from kernels.designs.redirect import moves as redirectmoves
from kernels.designs.redirect import steps as redirectsteps
from kernels.designs.swap_desc import moves as descmove
from kernels.designs.swap_id import layer as idlayer
from kernels.designs.swap_id import moves as idmove
from kernels.designs.swap_id_special import kinds
from kernels.designs.vswap import moves as vswapmove
from kernels.designs.vswap import steps as vswapsteps
from kernels.designs.vswap_all import disks as alldisks
from kernels.designs.vswap_rfc import backing as rfcbacking
from kernels.designs.vswap_rfc import moves as rfcmoves
from kernels.designs.vswap_rfc import steps as rfcsteps
from kernels.designs.vswap_ste import backing as stebacking
from kernels.designs.vswap_ste import moves as stemoves
from kernels.life import charging, faults, moves, page_io, swapfile
from kernels.structures import cluster, swap_map

SHAPES = Mutants()
EDITS: dict[str, tuple[str, str, str, str]] = {}
"""File, function, old text and new text of each shape."""
ROOT = Path(__file__).resolve().parent.parent
CHECK = """
import sys, dse
from dse.testing import conformance
with conformance.using(twins=False, tries=0):
    row = dse.check(sys.argv[1], only=sys.argv[2])["rows"][0]
print(row["finding"])
"""


def shape(name: str, design: str, module: Any, function: str, old: str, new: str, *, check: str, says: str) -> None:
    """Enter a shape: `function` of `module` with `new` in the place of `old`, found by `check`, which says `says`."""
    make: Step = edited(old, new)
    make.__name__ = name
    EDITS[name] = str(module.__name__).replace(".", "/") + ".py", function, old, new
    SHAPES.enter(design, module, function, check=check, says=says)(make)


# A swap cache that is skipped (fixed in 6.8: mm/swap: fix race when skipping swapcache).
PIN = """    if {}set_cached(st, pr, g) == U0:
        return False
    charging.owner_find(st, pr, g)
    if bypass:
        {}
"""
shape(
    "read_without_a_pin", "direct", swapfile, "read_begin", PIN.format("", "f_set(st, f, BYPASS)"), PIN.format("not bypass and ", "pass"),
    check="races", says="folios that nothing refers to",
)  # fmt: skip
shape(
    "bypassing_load_takes_the_entry", "direct", page_io, "read_data", "keep = f_is(st, f, BYPASS)", "keep = False", check="races",
    says="lost tokens",
)  # fmt: skip
shape(
    "freed_slot_keeps_the_entry_of_a_bypassing_load", "direct", swapfile, "forget", "    if not is_virtual(st, g):\n",
    "    if not is_virtual(st, g) and not cl.is_synchronous(st, device_of(entry)):\n", check="races",
    says="free slots with a zswap entry",
)  # fmt: skip

# zswap.
shape(
    "failed_store_keeps_the_older_entry", "direct", page_io, "put_data", "        erase_old(st, pr, entry, g)\n        if device_of",
    "        if device_of", check="written pages", says="content is lost",
)  # fmt: skip
shape(
    "duplicate_store_leaks_the_older_entry", "direct", page_io, "put_data", "                zswap.entry_free(st, pr, z)",
    "                pass", check="written pages", says="zswap",
)  # fmt: skip
shape(
    "writeback_home_does_not_clean_up", "direct", moves, "writeback_step", "return back_out(st, pr, f, codes.MOVED_AWAY)",
    "return codes.MOVED_AWAY", check="moves", says="folios locked",
)  # fmt: skip
LOOK = "        if swapfile.count_is_zero(st, entry):\n            return back_out(st, pr, f, codes.MOVED_AWAY)\n"
shape(
    "writeback_home_for_nobody", "direct", moves, "writeback_step", LOOK, "", check="moves", says="of a page that nobody holds",
)  # fmt: skip
shape(
    "move_for_nobody_with_descriptors", "swap_desc", descmove, "take_slot", "if ds.count_is_zero(st, d):", "if False:", check="moves",
    says="of a page that nobody holds",
)  # fmt: skip
shape(
    "move_for_nobody_of_a_virtual_slot", "vswap_v6", vswapmove, "move_step", "new = U0 if count_is_zero(st, value) else vs.slot_for",
    "new = vs.slot_for", check="moves", says="of a page that nobody holds",
)  # fmt: skip
shape(
    "move_for_nobody_of_a_first_virtual_slot", "vswap_rfc2", rfcmoves, "move_step", "new = U0 if count_is_zero(st, value) else b.slot_for",
    "new = b.slot_for", check="moves", says="of a page that nobody holds",
)  # fmt: skip
shape(
    "move_for_nobody_of_a_virtual_entry", "vswap_ste", stemoves, "change", "if swapfile.count_is_zero(st, entry):", "if False:",
    check="moves", says="of a page that nobody holds",
)  # fmt: skip

# Locks.
shape(
    "count_continued_without_its_lock", "direct", swap_map, "count_up",
    "    lock(pr, st.ctl, S_CONT_LOCK, L_CONT)\n    ok = carry(st, pr, g)\n    unlock(pr, st.ctl, S_CONT_LOCK, L_CONT)\n",
    "    ok = carry(st, pr, g)\n", check="lock rules", says="continuation is written without a lock that guards it",
)  # fmt: skip
DUP = (
    "    ci = cl.lock_cluster(st, pr, g)\n    ok = count_up(st, pr, g)\n    cl.unlock_cluster(st, pr, ci)\n",
    "    ok = count_up(st, pr, g)\n",
)
shape("dup_without_the_lock", "direct", swapfile, "dup", *DUP, check="lock rules", says="swap_map is written without a lock")
shape("dup_in_a_table_without_the_lock", "swap_table_p4", swapfile, "dup", *DUP, check="lock rules", says="swap table is written without")
shape(
    "dup_of_a_virtual_slot_keeps_the_lock", "vswap_v6", vswapsteps, "dup", "    v.leave(st, pr, c)\n    step(pr, F_NONE)\n",
    "    step(pr, F_NONE)\n", check="lock rules", says="lock order",
)  # fmt: skip

# Owners and zero pages.
OWNER = ("    memcg = owner_of(st, pr, a)\n", "    memcg = u(3) - owner_of(st, pr, a)\n")
shape("wrong_owner_after_a_move", "swap_id", charging, "owner_copy", *OWNER, check="random streams", says="owners of swapped pages")
shape(
    "wrong_owner_after_a_rewrite", "direct[move=rewrite]", charging, "owner_inherit", *OWNER, check="random streams",
    says="owners of swapped pages",
)  # fmt: skip
shape(
    "zero_bit_is_never_cleared", "direct", swap_map, "zero_set", "before = atomic_and(pr, R_ZEROMAP, at, st.zeromap, at, ~bit)",
    "before = U0", check="random streams", says="free slots with a zero bit",
)  # fmt: skip

# Faults and swapoff.
shape(
    "pte_is_only_compared_with_none", "direct", faults, "complete", "if w.read_pte(st, pr, page) != value << U1 or",
    "if w.read_pte(st, pr, page) == U0 or", check="races", says="",
)  # fmt: skip
shape(
    "swapoff_drops_what_is_under_writeback", "direct", moves, "sweep", "not f_is(st, f, LOCKED | WRITEBACK)", "not f_is(st, f, LOCKED)",
    check="swapoffs", says="folios of phases",
)  # fmt: skip
shape(
    "swapoff_leaves_pages_in_flight", "direct", cluster, "turned_off", "if st.dev[d * DEV_WORDS + D_USED] == U0:", "if True:",
    check="swapoffs", says="which is off",
)  # fmt: skip
shape(
    "swapoff_gives_up_for_no_reason", "direct", moves, "fault_in", "if device_of(entry) == d:",
    "if device_of(entry) == d and w.txn_find(st, w.TX_FAULT, p) == w.NO_TXN:", check="swapoffs", says="swapoff of",
)  # fmt: skip

# The reverse tree.
REVERSE: dict[str, str] = {"check": "random streams", "says": "reverse tree: slot"}
shape("move_leaves_the_reverse_entry", "swap_id_rmap", idmove, "leave_a", "    unlink(st, pr, old, U1)\n", "", **REVERSE)
shape("move_that_gives_up_leaves_the_reverse_entry", "swap_id_rmap", idmove, "give_up", "        unlink(st, pr, new, U1)\n", "", **REVERSE)
shape("move_enters_no_reverse_entry", "swap_id_rmap", idmove, "take_slot", "    link(st, pr, txn[t + w.T_VALUE], new)\n", "", **REVERSE)
shape(
    "free_leaves_the_reverse_entry", "swap_id_rmap", idlayer, "retire", "        unlink(st, pr, entry, U1)\n", "        pass\n", **REVERSE
)

# Two kinds of values.
shape(
    "swapoff_forgets_pages_without_ids", "swap_id_special", kinds, "swapoff", "        moves.fault_in(st, pr, d)\n", "        pass\n",
    check="swapoffs", says="swapoff of",
)  # fmt: skip
shape(
    "swapoff_forgets_slots_behind_virtual_ones", "vswap_ste[route=all]", stemoves, "follow_pointers",
    "            bring_in(st, pr, u(i))\n", "            pass\n", check="swapoffs", says="swapoff of",
)  # fmt: skip
shape(
    "swapoff_of_a_first_virtual_slot_forgets_the_cached", "vswap_rfc2", rfcmoves, "page_in", "    if f != U0 or v.is_cached",
    "    if f != U0:\n        return U0\n    if v.is_cached", check="swapoffs", says="swapoff of",
)  # fmt: skip
shape(
    "slot_of_a_first_virtual_slot_that_cannot_be_charged", "vswap_rfc2", rfcbacking, "slot_for",
    "        slot_free(st, pr, entry, U0)\n", "", check="random streams", says="slots",
)  # fmt: skip
shape(
    "read_around_the_cache_without_a_pin", "vswap_rfc2", rfcsteps, "begin", "    if ok:\n        v.cache_pin",
    "    if ok and not bypass:\n        v.cache_pin", check="races", says="virtual slots",
)  # fmt: skip
shape(
    "swapoff_forgets_direct_entries", "vswap_ste", stemoves, "swapoff", "        moves.fault_in(st, pr, d)\n", "        pass\n",
    check="swapoffs", says="swapoff of",
)  # fmt: skip
shape(
    "slot_that_cannot_be_charged_is_kept", "vswap_ste", stebacking, "backed_anew", "        slots_free(st, pr, entry, U1)\n", "",
    check="random streams", says="slots behind virtual ones",
)  # fmt: skip
shape(
    "swapoff_forgets_slots_that_stand_in", "redirect", redirectmoves, "swapoff", "        scan_arrays(st, pr, d)\n", "        pass\n",
    check="random streams", says="swapoff of",
)  # fmt: skip
shape(
    "swapoff_forgets_what_is_behind_virtual_slots", "vswap_all", alldisks, "swapoff", "        scan_virtual(st, pr, d)\n",
    "        pass\n", check="swapoffs", says="swapoff of",
)  # fmt: skip
shape(
    "read_at_home_after_a_move", "redirect", redirectsteps, "read_end", "if word == U0:", "if True:", check="random streams",
    says="lost tokens",
)  # fmt: skip
shape(
    "move_for_nobody_of_a_redirected_page", "redirect", redirectmoves, "change", "if swapfile.count_is_zero(st, entry):", "if False:",
    check="moves", says="of a page that nobody holds",
)  # fmt: skip


def changed(name: str) -> str:
    """Text of the file of shape `name`, with the shape."""
    file, function, old, new = EDITS[name]
    before, head, after = (ROOT / file).read_text(encoding="utf-8").partition(f"def {function}(")
    assert after.count(old) >= 1, f"{function} in {file} has no {old!r}"
    return before + head + after.replace(old, new, 1)


def compiled(name: str) -> str:
    """The finding about shape `name` in a changed copy of the sources, compiled; empty if there is none."""
    (one,) = (m for m in SHAPES if m.name == name)
    with tempfile.TemporaryDirectory() as folder:
        for package in ("dse", "kernels"):
            shutil.copytree(ROOT / package, Path(folder, package), ignore=shutil.ignore_patterns("__pycache__"))
        Path(folder, EDITS[name][0]).write_text(changed(name), encoding="utf-8")
        env = {**os.environ, "PYTHONPATH": folder, "NUMBA_CACHE_DIR": str(Path(folder, "cache")), "XDG_CACHE_HOME": folder}
        command = [sys.executable, "-P", "-c", CHECK, one.design, one.check]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=1200)
    if done.returncode:
        return f"ended with status {done.returncode}: {done.stderr[-300:]}"
    return done.stdout.strip()


def main(names: list[str]) -> int:
    """Command line; the exit status is the number of shapes that nobody found."""
    if INTERPRETED:
        return SHAPES.main(names)
    free = 0
    for one in SHAPES:
        if not names or one.name in names:
            began = time.perf_counter()
            why = compiled(one.name)
            free += one.says not in why or not why
            sys.stdout.write(
                f"{one.name:48} {one.design:22} {time.perf_counter() - began:5.1f} s {one.check}: {why[:150] or 'NOT FOUND'}\n"
            )
            sys.stdout.flush()
    return free


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
