/*
 * The whole replay of direct and of swap_id in C, on the flat arrays of their states: FAULT, RECLAIM and UNMAP demands, no phases,
 * no forks, no content tokens. It leaves every array exactly as kernels/life/replay.py does: its speed is what our kernels are held against.
 *
 * Written from our Python kernels (lifecycle, swapfile, swap_map, swap_cache, cluster, zswap, idlayer); it is no part of any kernel.
 * `layer` is a constant in each entry: 0 direct, 1 swap_id with the lowest free ID.
 */
#include <emmintrin.h>

#include "words.h" /* words of the control array: benchmarks/limits/build.py writes it */
#include "xarray.h"

typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

#define HOT static inline __attribute__((always_inline))
#define COLD static __attribute__((noinline, cold))
#define RARE(x) __builtin_expect(!!(x), 0)

/* kernels/demand.py: kinds, the backend zswap, flags, replies */
enum { NOP = 0, FAULT = 1, RECLAIM = 4, UNMAP = 12 };
enum { ZSWAP = 0 };
enum { WRITE = 1, WRITTEN = 2, ZERO = 4 };
enum {
	NOTHING = 0, FIRST_TOUCH, SWAP_IN, CACHE_HIT, SWAP_OUT, CLEAN_DROP, ZAPPED = 8, REUSED = 10,
	AVOIDED = 64, NOT_RESIDENT, BUSY, FULL = 68, UNMAP_FAILED = 70, NO_MEMORY = 71, GONE = 75, EMPTY = 78
};
enum { UNSUPPORTED = 255 };

enum { LOCKED = 1, DIRTY = 2, WRITEBACK = 4, CACHED = 8, BYPASS = 16 };
enum { COUNT_MASK = 0x3f, HAS_CACHE = 0x40, MAX_COUNT = 0x3e };
enum { FREE_LIST = 1, NONFULL_LIST, FULL_LIST, FRAG_LIST };
enum { DEV_ON = 1, DEV_SYNC = 2, GHOST = 2 };
enum { ZERO_LOCKED, ZERO_UNLOCKED, FREE_LOCKED, FREE_UNLOCKED };
enum { LIFE_COUNT, LIFE_CACHE };
enum { SHADOW = 3, TREE_SHIFT = 14, TYPE_SHIFT = 58, MOST_RETRIES = 8 };

#define MAPPING ((u64)1 << 32)
#define OFFSET_MASK (((u64)1 << TYPE_SHIFT) - 1)
#define SPACE_MASK (((u64)1 << TREE_SHIFT) - 1)
#define MOVED_BIT ((u64)1 << 57)
#define LOW32 0xffffffffu

struct folio { u64 state, entry, page, token, value, link, unused[2]; };
struct list { u64 head, tail; };
struct device { u64 base, slots, first, clusters, used, flags, lock, unused; struct list lists[4]; };
struct cluster { u32 lock, count, list, table, next, memcg, prev, extend; };
struct zentry { u64 entry, length, pool, handle, objcg, prev, next; };
struct place { u32 cluster, offset; };
struct current { struct place device[8]; };

/* In the order in which benchmarks/limits/twin_c.py passes them; the last is the probe's. */
struct state {
	u64 *ctl, *pte;
	struct folio *folio;
	const u16 *mm;
	u64 *memcgs;
	struct device *dev;
	struct cluster *cluster;
	struct current *percpu;
	u8 *smap;
	u16 *cgroup;
	u64 *zeromap, *space, *cpool, *ztree, *zpool;
	struct zentry *ze;
	u64 *idhead, *idpool, *tally;
};

/* What does not change during a block of demands. */
struct options { u64 cluster_shift, space_shift, zdisk, sync_bypass, folios, zentries, id_limit, id_life, upkeep, native; };

#define ARGS const struct state *const s, const struct options *const o, const int layer
#define PASS s, o, layer

HOT u64 device_of(u64 entry) { return (entry >> TYPE_SHIFT) - 1; }
HOT u64 slot_of(const struct state *s, u64 entry) { return s->dev[device_of(entry)].base + (entry & OFFSET_MASK); }
HOT int is(const struct folio *f, u64 flag) { return (f->state & flag) != 0; }
HOT u64 mapcount(const struct folio *f) { return f->state >> 32; }

HOT void raise(u64 *peak, u64 now)
{
	if (*peak < now)
		*peak = now;
}

/* -- folios ------------------------------------------------------------------------------------------------------------------- */

HOT u64 folio_new(const struct state *s, const struct options *o, u64 page)
{
	u64 *ctl = s->ctl;
	u64 f = ctl[S_FOLIO_FREE];
	struct folio *folio = s->folio + f;

	if (f != 0) {
		ctl[S_FOLIO_FREE] = folio->link;
	} else {
		f = ctl[S_FOLIO_HIGH];
		if (RARE(f >= o->folios)) {
			ctl[S_OVERFLOW] += 1;
			return 0;
		}
		ctl[S_FOLIO_HIGH] = f + 1;
		folio = s->folio + f;
	}
	ctl[S_FOLIO_LIVE] += 1;
	raise(ctl + S_FOLIO_PEAK, ctl[S_FOLIO_LIVE]);
	folio->state = 0;
	folio->entry = 0;
	folio->page = page;
	folio->value = 0;
	return f;
}

HOT void folio_free(const struct state *s, u64 f)
{
	s->folio[f].state = 0;
	s->folio[f].link = s->ctl[S_FOLIO_FREE];
	s->ctl[S_FOLIO_FREE] = f;
	s->ctl[S_FOLIO_LIVE] -= 1;
}

HOT void new_content(const struct state *s, struct folio *f)
{
	f->token = ++s->ctl[S_NEXT_TOKEN] & LOW32;
	f->state |= DIRTY;
}

HOT void map_page(const struct state *s, u64 page, u64 f)
{
	s->pte[page] = f << 1 | 1;
	s->folio[f].state += MAPPING;
}

HOT void unmap_page(const struct state *s, u64 page, u64 f, u64 pte)
{
	s->pte[page] = pte;
	s->folio[f].state -= MAPPING;
}

/* -- clusters ----------------------------------------------------------------------------------------------------------------- */

COLD void list_del(struct device *dev, struct cluster *table, u64 c)
{
	struct cluster *ci = table + c;
	struct list *list = dev->lists + ci->list - 1;

	if (ci->list == 0)
		return;
	if (ci->prev == 0)
		list->head = ci->next;
	else
		table[ci->prev - 1].next = ci->next;
	if (ci->next == 0)
		list->tail = ci->prev;
	else
		table[ci->next - 1].prev = ci->prev;
	ci->list = 0;
}

COLD void list_add_tail(struct device *dev, struct cluster *table, u64 c, u32 which)
{
	struct cluster *ci = table + c;
	struct list *list = dev->lists + which - 1;
	u64 last = list->tail;

	ci->list = which;
	ci->next = 0;
	ci->prev = last;
	if (last == 0)
		list->head = c + 1;
	else
		table[last - 1].next = c + 1;
	list->tail = c + 1;
}

HOT u64 slots_in(const struct device *dev, u64 c, u64 shift)
{
	u64 left = dev->base + dev->slots - (c << shift);

	return left < (u64)1 << shift ? left : (u64)1 << shift;
}

HOT void relist(struct device *dev, struct cluster *table, u64 c, u32 want)
{
	if (RARE(want != table[c].list)) {
		list_del(dev, table, c);
		list_add_tail(dev, table, c, want);
	}
}

HOT u64 scan_cluster(const struct state *s, const struct options *o, struct device *dev, u64 c, u64 start, struct place *place)
{
	struct cluster *ci = s->cluster + c;
	u64 size = slots_in(dev, c, o->cluster_shift);
	u64 first = c << o->cluster_shift;

	for (u64 g = ci->count < size ? first + start : first + size; g < first + size; g++) {
		if (s->smap[g] != 0)
			continue;
		s->smap[g] = HAS_CACHE;
		ci->count += 1;
		dev->used += 1;
		s->ctl[S_NR_SWAP_PAGES] -= 1;
		s->ctl[S_SLOTS] += 1;
		raise(s->ctl + S_SLOTS_PEAK, s->ctl[S_SLOTS]);
		if (ci->count == size)
			relist(dev, s->cluster, c, FULL_LIST);
		else if (ci->count == 1)
			relist(dev, s->cluster, c, NONFULL_LIST);
		place->cluster = ci->count < size && g + 1 < first + size ? c + 1 : 0;
		place->offset = g + 1 - first;
		return g + 1;
	}
	place->cluster = 0;
	place->offset = 0;
	return 0;
}

COLD u64 new_cluster(const struct state *s, const struct options *o, u64 d, u64 cpu)
{
	struct device *dev = s->dev + d;

	for (int which = FREE_LIST; which <= FRAG_LIST; which++) {
		u64 c = dev->lists[which - 1].head;

		if (c == 0 || which == FULL_LIST)
			continue;
		if (which != FREE_LIST) {
			list_del(dev, s->cluster, c - 1);
			list_add_tail(dev, s->cluster, c - 1, FRAG_LIST);
		}
		return scan_cluster(s, o, dev, c - 1, 0, s->percpu[cpu].device + d);
	}
	s->ctl[S_FULL] += 1;
	return 0;
}

HOT u64 slot_alloc(const struct state *s, const struct options *o, u64 d, u64 cpu)
{
	struct place *own = s->percpu[cpu].device + d;

	if (RARE((s->dev[d].flags & DEV_ON) == 0))
		return 0;
	if (own->cluster != 0) {
		u64 found = scan_cluster(s, o, s->dev + d, own->cluster - 1, own->offset, own);

		if (found != 0)
			return found;
	}
	return new_cluster(s, o, d, cpu);
}

/* -- zswap -------------------------------------------------------------------------------------------------------------------- */

struct class { u64 bytes, part; };
static struct class class_table[257];

__attribute__((constructor)) static void class_setup(void)
{
	for (u64 i = 0; i < 257; i++) {
		u64 size = i < 2 ? 32 : i * 16, pages = 1, objects;

		for (u64 k = 2; k <= 8 && (size & (size - 1)); k++)
			if (k * 4096 % size < pages * 4096 % size)
				pages = k;
		objects = pages * 4096 / size;
		class_table[i] = (struct class){ (pages * 4096 + objects - 1) / objects, ((u64)1 << 32) / objects };
	}
}

HOT struct class class_of(u64 length)
{
	u64 i = (length + 23) >> 4;

	return length == 0 ? (struct class){ 0, 0 } : class_table[i < 256 ? i : 256];
}

HOT u64 zentry_new(const struct state *s, const struct options *o, u64 entry, u64 length, u64 token)
{
	u64 *ctl = s->ctl;
	struct zentry *ze = s->ze;
	u64 z = ctl[S_ZE_FREE];
	u64 last;
	struct class class = class_of(length);

	if (z != 0) {
		ctl[S_ZE_FREE] = ze[z].entry;
	} else {
		z = ctl[S_ZE_HIGH];
		if (RARE(z > o->zentries))
			return 0;
		ctl[S_ZE_HIGH] = z + 1;
	}
	ctl[S_ZE_LIVE] += 1;
	raise(ctl + S_ZE_PEAK, ctl[S_ZE_LIVE]);
	ctl[S_ZOBJ_BYTES] += class.bytes;
	raise(ctl + S_ZOBJ_PEAK, ctl[S_ZOBJ_BYTES]);
	ctl[S_ZSPAGES] += class.part;
	raise(ctl + S_ZSPAGES_PEAK, ctl[S_ZSPAGES]);
	last = ze[0].prev;
	ze[z].entry = entry;
	ze[z].length = length;
	ze[z].handle = token;
	ze[z].objcg = 0;
	ze[z].prev = last;
	ze[z].next = 0;
	ze[last].next = z;
	ze[0].prev = z;
	ctl[S_ZSTORED] += 1;
	return z;
}

HOT void zentry_free(const struct state *s, u64 z)
{
	u64 *ctl = s->ctl;
	struct zentry *ze = s->ze;
	struct class class = class_of(ze[z].length & LOW32);

	ze[ze[z].prev].next = ze[z].next;
	ze[ze[z].next].prev = ze[z].prev;
	ctl[S_ZOBJ_BYTES] -= class.bytes;
	ctl[S_ZSPAGES] -= class.part;
	ctl[S_ZSTORED] -= 1;
	ctl[S_ZE_LIVE] -= 1;
	ze[z].entry = ctl[S_ZE_FREE];
	ctl[S_ZE_FREE] = z;
}

static __attribute__((noinline)) void drop_tree(const struct state *s, u64 entry, u64 g)
{
	u64 z = erase(s->ztree, g >> TREE_SHIFT, s->zpool, entry & OFFSET_MASK) >> 2;

	if (z != 0)
		zentry_free(s, z);
}

HOT void drop_zswap(const struct state *s, u64 entry, u64 g)
{
	if (s->ztree[(g >> TREE_SHIFT) * HEAD_WORDS + H_ENTRY] != 0)
		drop_tree(s, entry, g);
}

/* -- memory cgroups (kernels/structures/page_counter.py) ---------------------------------------------------------------------- */

enum { COUNTER_WORDS = 32, USAGE = 0, WATERMARK = 8, MAX = 16, PARENT = 17, ID = 24 };

HOT u64 memcg_of(const struct state *s, const struct options *o, u64 page) { return s->mm[page >> o->space_shift]; }
HOT u64 counter_of(const struct state *s, u64 memcg) { return s->ctl[C_MEMCGS] + memcg * COUNTER_WORDS; }

HOT int try_charge(const struct state *s, u64 memcg)
{
	u64 *words = s->memcgs;
	u64 at = counter_of(s, memcg);

	if (RARE(words[at + USAGE] >= words[at + MAX]))
		return 0;
	words[at + ID] += 1;
	for (; at != 0; at = words[at + PARENT]) {
		words[at + USAGE] += 1;
		raise(words + at + WATERMARK, words[at + USAGE]);
	}
	return 1;
}

static __attribute__((noinline)) void uncharge(const struct state *s, u64 memcg, u64 n)
{
	u64 *words = s->memcgs;
	u64 at;

	if (memcg == 0)
		return;
	at = load(words, 0, words, memcg) >> 2;
	words[at + ID] -= n;
	for (; at != 0; at = words[at + PARENT])
		words[at + USAGE] -= n;
}

/* The memory cgroup that a folio read into the swap cache is charged to: looked up, and here no more. */
static __attribute__((noinline)) u64 from_id(const struct state *s, u64 memcg)
{
	return load(s->memcgs, 0, s->memcgs, memcg) >> 2;
}

HOT void owner_find(const struct state *s, u64 g)
{
	u64 found = from_id(s, s->cgroup[g]);

	__asm__ volatile("" : : "r"(found)); /* a kernel charges it: the look is not left out */
}

HOT int memcg_full(const struct state *s, u64 memcg)
{
	const u64 *words = s->memcgs;

	for (u64 at = counter_of(s, memcg); words[at + PARENT] != 0; at = words[at + PARENT])
		if (words[at + USAGE] * 2 >= words[at + MAX])
			return 1;
	return 0;
}

/* -- the ID layer ------------------------------------------------------------------------------------------------------------- */

HOT u64 resolve(ARGS, u64 value)
{
	return layer ? load(s->idhead, 0, s->idpool, value) >> 1 & ~MOVED_BIT : value;
}

static __attribute__((noinline)) void id_free(const struct state *s, u64 value)
{
	u64 old = erase(s->idhead, 0, s->idpool, value);

	s->ctl[S_ID_LIVE] -= 1;
	s->ctl[S_ID_FREED] += 1;
	s->ctl[S_ID_NEVER_MOVED] += (old >> 1 & MOVED_BIT) == 0;
}

HOT void retire(ARGS, u64 value, u64 moment)
{
	if (layer && moment == (o->id_life << 1 | o->upkeep))
		id_free(s, value);
}

HOT int unheld(const struct state *s, u64 g) { return (s->smap[g] & ~HAS_CACHE) == 0; }

HOT u64 publish(ARGS, struct folio *f, u64 entry)
{
	if (!layer)
		return entry;
	if (f->value == 0 || (o->id_life == LIFE_COUNT && unheld(s, slot_of(s, entry)))) {
		u64 found = alloc(s->idhead, 0, s->idpool, 1, o->id_limit, entry << 1 | 1);

		f->value = found == ~(u64)0 ? 0 : found;
		if (found == ~(u64)0)
			return 0;
		s->ctl[S_ID_LIVE] += 1;
		raise(s->ctl + S_ID_PEAK, s->ctl[S_ID_LIVE]);
	}
	return f->value;
}

/* -- slots and swap cache ----------------------------------------------------------------------------------------------------- */

HOT u64 cache_find(const struct state *s, u64 g)
{
	u64 entry = load(s->space, g >> TREE_SHIFT, s->cpool, g & SPACE_MASK);

	return (entry & 3) == 0 ? entry >> 2 : 0;
}

static __attribute__((noinline)) void cache_store(const struct state *s, u64 g, u64 entry)
{
	u64 *head = s->space, *pool = s->cpool, h = g >> TREE_SHIFT, index = g & SPACE_MASK, leaf;
	int alone = (head[h * HEAD_WORDS + H_ENTRY] & 1) != 0;

	store_at(head, h, pool, index, entry, &leaf);
	if (leaf == 0)
		return;
	list_update(pool, leaf, pool[leaf] >> 16 & 0xff, pool[leaf] >> 24 & 0xff);
	if (RARE(alone && index > 63)) {
		leaf = head[h * HEAD_WORDS + H_ENTRY] >> 2;
		while (shift_of(pool, leaf) != 0)
			leaf = pool[leaf + SLOTS] >> 2;
		list_update(pool, leaf, pool[leaf] >> 16 & 0xff, pool[leaf] >> 24 & 0xff);
	}
}

static __attribute__((noinline)) void cache_erase(const struct state *s, u64 g)
{
	u64 h = g >> TREE_SHIFT, index = g & SPACE_MASK, *pool = s->cpool;
	u64 slot = find_slot(s->space, h, pool, index);

	if (slot == 0) {
		erase(s->space, h, pool, index);
	} else if (pool[slot] != 0) {
		u64 node = slot - SLOTS - (index & 63);

		list_update(pool, node, (pool[node] >> 16 & 0xff) - 1, (pool[node] >> 24 & 0xff) - (pool[slot] & 1));
		erase_slot(s->space, h, pool, slot, index);
	}
}

HOT void cache_add(const struct state *s, u64 g, u64 f, u64 entry)
{
	cache_store(s, g, f << 2);
	s->folio[f].entry = entry;
	s->folio[f].state |= CACHED;
}

HOT void cache_drop(const struct state *s, u64 g, u64 f, int shadow)
{
	if (shadow)
		cache_store(s, g, SHADOW);
	else
		cache_erase(s, g);
	s->folio[f].state &= ~(u64)CACHED;
	s->folio[f].entry = 0;
}

HOT void zero_set(const struct state *s, u64 g, int zero)
{
	u64 *word = s->zeromap + (g >> 6);
	u64 bit = (u64)1 << (g & 63);
	u64 before = *word;

	*word = zero ? before | bit : before & ~bit;
	s->ctl[S_ZERO_LIVE] += (u64)(zero != 0) - (u64)((before & bit) != 0);
}

static __attribute__((noinline)) void slot_free(const struct state *s, const struct options *o, u64 entry, u64 g)
{
	struct device *dev = s->dev + device_of(entry);
	u64 c = g >> o->cluster_shift;
	u64 memcg = s->cgroup[g];

	s->cgroup[g] = 0;
	drop_zswap(s, entry, g);
	zero_set(s, g, 0);
	uncharge(s, memcg, 1);
	cache_erase(s, g);
	s->smap[g] = 0;
	s->cluster[c].count -= 1;
	dev->used -= 1;
	s->ctl[S_NR_SWAP_PAGES] += 1;
	s->ctl[S_SLOTS] -= 1;
	relist(dev, s->cluster, c, s->cluster[c].count == 0 ? FREE_LIST : NONFULL_LIST);
}

HOT void unset_cache(ARGS, u64 value, u64 entry, u64 g)
{
	s->smap[g] &= ~HAS_CACHE;
	if (!unheld(s, g))
		return;
	slot_free(s, o, entry, g);
	retire(PASS, value, FREE_LOCKED);
	retire(PASS, value, FREE_UNLOCKED);
}

HOT int free_swap(ARGS, u64 f)
{
	u64 entry = s->folio[f].entry, value = s->folio[f].value;
	u64 g = slot_of(s, entry);

	if (!unheld(s, g))
		return 0;
	cache_drop(s, g, f, 0);
	unset_cache(PASS, value, entry, g);
	s->folio[f].state |= DIRTY;
	return 1;
}

HOT void evict(ARGS, u64 f)
{
	u64 entry = s->folio[f].entry, value = s->folio[f].value;
	u64 g = slot_of(s, entry);

	cache_drop(s, g, f, 1);
	unset_cache(PASS, value, entry, g);
}

/* Counts past 62 need forks, which are not replayed here. */
HOT int dup(const struct state *s, u64 entry)
{
	u64 g = slot_of(s, entry);

	if (RARE((s->smap[g] & COUNT_MASK) >= MAX_COUNT))
		__builtin_trap();
	s->smap[g] += 1;
	return 1;
}

HOT int count_down(const struct state *s, u64 g)
{
	u8 byte = s->smap[g];

	if (RARE((byte & COUNT_MASK) == 0))
		__builtin_trap();
	s->smap[g] = --byte;
	return (byte & ~HAS_CACHE) == 0;
}

HOT int put(ARGS, u64 value, u64 entry)
{
	u64 g = slot_of(s, entry);

	if (!count_down(s, g))
		return 0;
	retire(PASS, value, ZERO_LOCKED);
	if ((s->smap[g] & HAS_CACHE) == 0) {
		slot_free(s, o, entry, g);
		retire(PASS, value, FREE_LOCKED);
		retire(PASS, value, ZERO_UNLOCKED);
		retire(PASS, value, FREE_UNLOCKED);
		return 2;
	}
	retire(PASS, value, ZERO_UNLOCKED);
	return 1;
}

HOT int swap_full(const struct state *s, const struct options *o)
{
	u64 used = 0, slots = 0;

	for (int d = 0; d < 4; d++) {
		u64 among = 0 - (s->dev[d].flags & DEV_ON & (d != ZSWAP || o->native == GHOST));

		used += s->dev[d].used & among;
		slots += s->dev[d].slots & among;
	}
	return used * 2 > slots;
}

COLD u64 alloc_after_reclaim(ARGS, u64 d, u64 cpu)
{
	struct device *dev = s->dev + d;

	for (int i = 0; i < 8 && dev->lists[FULL_LIST - 1].head != 0; i++) {
		u64 c = dev->lists[FULL_LIST - 1].head - 1;
		u64 first = c << o->cluster_shift;
		u64 end = first + slots_in(dev, c, o->cluster_shift);
		int dropped = 0;

		for (u64 g = first; g < end; g++) {
			if ((s->smap[g] & HAS_CACHE) != 0 && unheld(s, g)) {
				u64 f = cache_find(s, g);

				if (f != 0 && !is(s->folio + f, LOCKED | WRITEBACK))
					dropped |= free_swap(PASS, f);
			}
		}
		if (dropped)
			return slot_alloc(s, o, d, cpu);
		list_del(dev, s->cluster, c);
		list_add_tail(dev, s->cluster, c, FULL_LIST);
	}
	return 0;
}

/* -- the life of a page ------------------------------------------------------------------------------------------------------- */

HOT void orphan(ARGS, u64 f)
{
	const struct folio *folio = s->folio + f;

	if (mapcount(folio) == 0 && !is(folio, LOCKED | WRITEBACK) && (!is(folio, CACHED) || free_swap(PASS, f)))
		folio_free(s, f);
}

COLD u64 copy_page(ARGS, u64 page, u64 f)
{
	u64 copy = folio_new(s, o, page);

	if (copy == 0)
		return NOTHING;
	new_content(s, s->folio + copy);
	unmap_page(s, page, f, 0);
	map_page(s, page, copy);
	orphan(PASS, f);
	return SWAP_IN;
}

HOT void make_writable(ARGS, u64 page, u64 f)
{
	struct folio *folio = s->folio + f;
	int alone = mapcount(folio) == 1;

	if (alone && is(folio, CACHED))
		alone = !is(folio, WRITEBACK | LOCKED) && free_swap(PASS, f);
	if (RARE(!alone))
		copy_page(PASS, page, f);
	else
		new_content(s, folio);
}

HOT void install(ARGS, u64 page, u64 value, u64 entry, u64 f, u64 flags)
{
	struct folio *folio = s->folio + f;
	int full = swap_full(s, o);

	map_page(s, page, f);
	folio->value = value;
	put(PASS, value, entry);
	if (is(folio, CACHED))
		full |= memcg_full(s, memcg_of(s, o, page));
	if (flags & WRITE)
		make_writable(PASS, page, f);
	else if (full && (folio->state & (CACHED | WRITEBACK)) == CACHED)
		free_swap(PASS, f);
}

HOT int read_begin(ARGS, u64 entry, u64 f)
{
	u64 g = slot_of(s, entry);
	u8 byte = s->smap[g];

	if ((byte & HAS_CACHE) != 0 || byte == 0)
		return 0;
	s->smap[g] = byte | HAS_CACHE;
	owner_find(s, g);
	if (byte == 1 && o->sync_bypass && (s->dev[device_of(entry)].flags & DEV_SYNC) != 0) {
		s->folio[f].state |= BYPASS;
		s->folio[f].entry = entry;
	} else {
		cache_add(s, g, f, entry);
	}
	return 1;
}

static __attribute__((noinline)) u64 read_zswap(const struct state *s, u64 entry, u64 g, struct folio *f)
{
	u64 tree = g >> TREE_SHIFT, offset = entry & OFFSET_MASK;
	int bypass = is(f, BYPASS);
	u64 z = (bypass ? load(s->ztree, tree, s->zpool, offset) : erase(s->ztree, tree, s->zpool, offset)) >> 2;
	u64 token;

	if (z == 0) {
		s->ctl[S_ZDISK_READS] += 1;
		return 0;
	}
	token = s->ze[z].handle & LOW32;
	if (!bypass) {
		zentry_free(s, z);
		f->state |= DIRTY;
	}
	return token;
}

HOT void read_end(ARGS, u64 entry, u64 f)
{
	struct folio *folio = s->folio + f;
	u64 g = slot_of(s, entry);
	u64 token = 0;

	if ((s->zeromap[g >> 6] >> (g & 63) & 1) == 0) {
		if (s->ztree[(g >> TREE_SHIFT) * HEAD_WORDS + H_ENTRY] != 0)
			token = read_zswap(s, entry, g, folio);
		else
			s->ctl[S_ZDISK_READS] += 1;
	}
	folio->token = token;
	if (is(folio, BYPASS)) {
		folio->state = (folio->state & ~(u64)BYPASS) | DIRTY;
		folio->entry = 0;
		unset_cache(PASS, folio->value, entry, g);
	}
}

COLD void read_abort(ARGS, u64 entry, u64 f)
{
	u64 g = slot_of(s, entry);

	if (is(s->folio + f, BYPASS))
		s->folio[f].state &= ~(u64)BYPASS;
	else
		cache_drop(s, g, f, 0);
	unset_cache(PASS, s->folio[f].value, entry, g);
	folio_free(s, f);
}

HOT u64 fault(ARGS, u64 page, u64 flags)
{
	u64 pte = s->pte[page], value = pte >> 1, entry;

	if (pte & 1)
		return AVOIDED;
	if (pte == 0) {
		u64 f = folio_new(s, o, page);

		if (f == 0)
			return NOTHING;
		new_content(s, s->folio + f);
		map_page(s, page, f);
		return FIRST_TOUCH;
	}
	entry = resolve(PASS, value);
	for (int i = 0; i < MOST_RETRIES; i++) {
		u64 f = cache_find(s, slot_of(s, entry));
		u64 code = CACHE_HIT;

		if (f == 0) {
			f = folio_new(s, o, 0);
			code = SWAP_IN;
			s->folio[f].value = value;
			if (RARE(f == 0 || !read_begin(PASS, entry, f))) {
				if (f != 0)
					folio_free(s, f);
				code = BUSY;
			}
		} else if (is(s->folio + f, LOCKED)) {
			code = BUSY;
		}
		if (layer && (code != SWAP_IN || o->id_life == LIFE_CACHE) && RARE(resolve(PASS, value) != entry)) {
			if (code == SWAP_IN)
				read_abort(PASS, entry, f);
			entry = resolve(PASS, value);
			continue;
		}
		if (code == BUSY)
			return BUSY;
		if (code == SWAP_IN) {
			s->folio[f].state |= LOCKED;
			read_end(PASS, entry, f);
			s->folio[f].state &= ~(u64)LOCKED;
			s->folio[f].page = page;
			if (RARE(s->pte[page] != value << 1 || (layer && o->id_life != LIFE_CACHE && resolve(PASS, value) != entry))) {
				orphan(PASS, f);
				return GONE;
			}
		}
		install(PASS, page, value, entry, f, flags);
		return code;
	}
	return BUSY;
}

HOT u64 claim(ARGS, u64 f, u64 memcg, u64 backend, u64 cpu)
{
	struct folio *folio = s->folio + f;
	u64 d = backend == ZSWAP ? o->zdisk : backend;
	u64 found, g, entry, value;

	if (is(folio, CACHED))
		return publish(PASS, folio, folio->entry);
	found = slot_alloc(s, o, d, cpu);
	if (RARE(found == 0)) {
		found = alloc_after_reclaim(PASS, d, cpu);
		if (found == 0)
			return 0;
	}
	g = found - 1;
	entry = (d + 1) << TYPE_SHIFT | (g - s->dev[d].base);
	if (RARE(!try_charge(s, memcg))) {
		slot_free(s, o, entry, g);
		return 0;
	}
	s->cgroup[g] = memcg;
	cache_add(s, g, f, entry);
	folio->value = 0;
	value = publish(PASS, folio, entry);
	if (RARE(value == 0)) {
		cache_drop(s, g, f, 0);
		slot_free(s, o, entry, g);
	}
	return value;
}

HOT void writeout(const struct state *s, const struct options *o, const struct folio *f, u64 backend, u64 size, int zero)
{
	u64 entry = f->entry;
	u64 g = slot_of(s, entry);

	zero_set(s, g, zero);
	if (zero)
		return;
	if (backend == ZSWAP) {
		u64 z = zentry_new(s, o, entry, size, f->token);

		if (z == 0) {
			drop_zswap(s, entry, g);
		} else {
			z = store(s->ztree, g >> TREE_SHIFT, s->zpool, entry & OFFSET_MASK, z << 2) >> 2;
			if (z != 0)
				zentry_free(s, z);
		}
	} else {
		drop_zswap(s, entry, g); /* a look at the tree, also where zswap has nothing */
	}
}

HOT u64 reclaim(ARGS, u64 page, u64 backend, u64 size, u64 flags, u64 cpu, u64 fail_after)
{
	u64 pte = s->pte[page], f = pte >> 1;
	struct folio *folio;
	u64 value, entry, n = 0;
	int clean;

	if (pte == 0)
		return NOT_RESIDENT;
	if ((pte & 1) == 0) {
		f = cache_find(s, slot_of(s, resolve(PASS, f)));
		if (f == 0)
			return NOT_RESIDENT;
	}
	folio = s->folio + f;
	if (is(folio, LOCKED | WRITEBACK))
		return BUSY;
	if ((pte & 1) != 0 && (flags & WRITTEN) != 0 && mapcount(folio) == 1 &&
	    (!is(folio, CACHED) || unheld(s, slot_of(s, folio->entry))))
		new_content(s, folio);
	clean = (folio->state & (CACHED | DIRTY)) == CACHED;
	value = claim(PASS, f, s->mm[page >> o->space_shift], backend, cpu);
	if (value == 0)
		return FULL;
	entry = folio->entry;
	if (mapcount(folio) != 0 && s->pte[page] == (f << 1 | 1)) { /* without forks nothing but `page` can map it */
		if (!dup(s, entry))
			return NO_MEMORY;
		unmap_page(s, page, f, value << 1);
		n = 1;
		(void)fail_after; /* it counts PTEs written before, and this one is the last */
	}
	if (RARE(n == 0 && unheld(s, slot_of(s, entry)))) {
		retire(PASS, value, ZERO_LOCKED);
		retire(PASS, value, ZERO_UNLOCKED);
	}
	if (clean) {
		evict(PASS, f);
		folio_free(s, f);
		return CLEAN_DROP;
	}
	writeout(s, o, folio, backend, size, (flags & ZERO) != 0);
	folio->state &= ~(u64)DIRTY;
	folio->state |= WRITEBACK;
	/* end of writeback */
	folio->state &= ~(u64)WRITEBACK;
	if (mapcount(folio) == 0) {
		evict(PASS, f);
		folio_free(s, f);
	}
	return SWAP_OUT;
}

HOT void drop_unused(ARGS, u64 f)
{
	if (!is(s->folio + f, LOCKED | WRITEBACK) && free_swap(PASS, f) && mapcount(s->folio + f) == 0)
		folio_free(s, f);
}

HOT void drop_cached(ARGS, u64 entry)
{
	u64 f = cache_find(s, slot_of(s, entry));

	if (f != 0 && (mapcount(s->folio + f) == 0 || swap_full(s, o) || memcg_full(s, memcg_of(s, o, s->folio[f].page))))
		drop_unused(PASS, f);
}

HOT int all_held_once(const struct state *s, u64 first, u64 n)
{
	for (u64 i = 0; i < n; i++)
		if (s->smap[first + i] != 1)
			return 0;
	return 1;
}

/* Slots of one cluster, freed together: charges, shadows, usage and list in one go. */
static __attribute__((noinline)) void slots_free(const struct state *s, const struct options *o, u64 entry, u64 first, u64 n)
{
	struct device *dev = s->dev + device_of(entry);
	u64 c = first >> o->cluster_shift;
	u64 owner = 0, charged = 0;

	for (u64 i = 0; i < n; i++) {
		u64 memcg = s->cgroup[first + i];

		s->cgroup[first + i] = 0;
		drop_zswap(s, entry + i, first + i);
		zero_set(s, first + i, 0);
		if (memcg != owner) {
			uncharge(s, owner, charged);
			owner = memcg;
			charged = 0;
		}
		charged += 1;
	}
	uncharge(s, owner, charged);
	erase_run(s->space, first >> TREE_SHIFT, s->cpool, first & SPACE_MASK, n);
	for (u64 i = 0; i < n; i++)
		s->smap[first + i] = 0;
	s->cluster[c].count -= n;
	dev->used -= n;
	s->ctl[S_NR_SWAP_PAGES] += n;
	s->ctl[S_SLOTS] -= n;
	relist(dev, s->cluster, c, s->cluster[c].count == 0 ? FREE_LIST : NONFULL_LIST);
}

/*
 * Entries of one cluster lose a PTE each: first all counts, then the folios that only the cache still holds. The slots are freed
 * together if all are held once and none is cached.
 */
HOT void put_run(ARGS, u64 entry, u64 n)
{
	u64 first = slot_of(s, entry);
	u64 kept = 0;
	int alike = n > 1 && all_held_once(s, first, n);

	for (u64 i = 0; i < n; i++) {
		if (!count_down(s, first + i))
			continue;
		if ((s->smap[first + i] & HAS_CACHE) != 0)
			kept += 1;
		else if (!alike)
			slot_free(s, o, entry + i, first + i);
	}
	if (alike)
		slots_free(s, o, entry, first, n);
	for (u64 i = 0; kept != 0 && i < n; i++)
		if (s->smap[first + i] == HAS_CACHE)
			drop_cached(PASS, entry + i);
}

HOT u64 zap(ARGS, u64 page, u64 count)
{
	u64 zapped = 0;
	u64 size = (u64)1 << o->cluster_shift;

	for (u64 i = 0; i < count;) {
		u64 pte = s->pte[page + i], value = pte >> 1;
		u64 most, run = 0;

		if (pte == 0) {
			i += 1;
			continue;
		}
		if (pte & 1) {
			unmap_page(s, page + i, pte >> 1, 0);
			orphan(PASS, pte >> 1);
			zapped += 1;
			i += 1;
			continue;
		}
		most = layer ? 1 : size - (value & (size - 1));
		if (most > count - i)
			most = count - i;
		while (run < most && s->pte[page + i + run] == pte + (run << 1)) {
			s->pte[page + i + run] = 0;
			run += 1;
		}
		if (layer) {
			u64 entry = resolve(PASS, value);

			if (put(PASS, value, entry) == 1)
				drop_cached(PASS, entry);
		} else {
			put_run(PASS, value, run);
		}
		zapped += run;
		i += run;
	}
	return zapped != 0 ? ZAPPED : EMPTY;
}

/* -- prefetching ---------------------------------------------------------------------------------------------------------------- */

/*
 * Coming demands are looked at three times before they run, and each time what can be found without a miss by then is prefetched:
 * first the PTE; then, from the PTE, the folio or the slot (in swap_id the leaf of the ID); last the slot behind the folio or the ID.
 * Nothing is written, and what changes before the demand runs was prefetched in vain.
 */
enum { AHEAD = 4 };

/* The leaf that covers `index`: header, slot, marks. The levels above are in the cache. */
HOT void leaf_ahead(const u64 *head, const u64 *pool, u64 index)
{
	u64 entry = head[H_ENTRY];

	while (is_node(entry)) {
		const u64 *node = pool + (entry >> 2);
		u64 shift = node[0] & 0xff;

		if (shift == 0)
			break;
		entry = node[SLOTS + ((index >> shift) & 63)];
		if (shift == 6 && is_node(entry)) {
			node = pool + (entry >> 2);
			__builtin_prefetch(node, 1);
			__builtin_prefetch(node + SLOTS + (index & 63), 1);
			__builtin_prefetch(node + MARKS, 1);
			break;
		}
	}
}

HOT void slot_ahead(const struct state *s, u64 g)
{
	__builtin_prefetch(s->smap + g, 1);
	__builtin_prefetch(s->cgroup + g, 1);
	__builtin_prefetch(s->zeromap + (g >> 6), 1);
	leaf_ahead(s->space + (g >> TREE_SHIFT) * HEAD_WORDS, s->cpool, g & SPACE_MASK);
}

HOT void pte_ahead(const struct state *s, u64 page) { __builtin_prefetch(s->pte + page, 1); }

HOT void page_ahead(ARGS, u64 page)
{
	u64 pte = s->pte[page];

	(void)o;
	if (pte & 1)
		__builtin_prefetch(s->folio + (pte >> 1), 1);
	else if (pte != 0 && layer)
		leaf_ahead(s->idhead, s->idpool, pte >> 1);
	else if (pte != 0)
		slot_ahead(s, slot_of(s, pte >> 1));
}

HOT void entry_ahead(ARGS, u64 page)
{
	u64 pte = s->pte[page];
	u64 entry = 0;

	if (pte & 1) {
		const struct folio *folio = s->folio + (pte >> 1);

		entry = folio->entry;
		if (layer && entry != 0)
			leaf_ahead(s->idhead, s->idpool, folio->value);
	} else if (pte != 0 && layer) {
		entry = resolve(PASS, pte >> 1);
	}
	if (entry != 0)
		slot_ahead(s, slot_of(s, entry));
}

HOT u64 replay(const struct state *state, const u64 *demands, u64 n, u8 *replies, const int layer, const int ahead)
{
	const u64 *ctl = state->ctl;
	const struct options options = {
		.cluster_shift = ctl[C_CLUSTER_SHIFT], .space_shift = ctl[C_SPACE_SHIFT], .zdisk = ctl[C_ZDISK],
		.sync_bypass = ctl[C_SYNC_BYPASS], .folios = ctl[C_FOLIOS], .zentries = ctl[C_ZENTRIES], .id_limit = ctl[C_ID_LIMIT],
		.id_life = ctl[C_ID_LIFE], .upkeep = ctl[C_UPKEEP], .native = ctl[C_NATIVE],
	};
	const struct state *const s = state;
	const struct options *const o = &options;

	if (ctl[C_TOKENS] != 0 || ctl[C_FORKS] != 0 || ctl[C_ZSLOTS] != 0 || ctl[S_PHASES] != 0 || ctl[C_ID_POLICY] != 0)
		return 0;
	for (u64 i = 0; i < n; i++) {
		u64 word = demands[2 * i], more = demands[2 * i + 1];
		u64 page = word >> 32, flags = more >> 56, code;

		if (ahead && i + 3 * AHEAD < n) {
			pte_ahead(s, demands[2 * (i + 3 * AHEAD)] >> 32);
			page_ahead(PASS, demands[2 * (i + 2 * AHEAD)] >> 32);
			entry_ahead(PASS, demands[2 * (i + AHEAD)] >> 32);
		}
		switch (word & 0xff) {
		case FAULT:
			code = fault(PASS, page, flags);
			break;
		case RECLAIM:
			code = reclaim(PASS, page, word >> 16 & 0xff, more >> 32 & 0xffffff, flags, word >> 24 & 0xff, more & LOW32);
			break;
		case UNMAP:
			code = zap(PASS, page, more & LOW32);
			break;
		case NOP:
			code = NOTHING;
			break;
		default:
			return i;
		}
		s->tally[code << 5] += 1;
		replies[i] = code;
	}
	return n;
}

#define ENTRY(name, layer, ahead)                                                                \
	EXPORT u64 replay_##name(const struct state *s, const u64 *demands, u64 n, u8 *replies) \
	{                                                                                        \
		return replay(s, demands, n, replies, layer, ahead);                             \
	}

ENTRY(direct, 0, 0)
ENTRY(direct_ahead, 0, 1)
ENTRY(swap_id, 1, 0)
ENTRY(swap_id_ahead, 1, 1)

/* Free a slot, take another: the cluster allocator alone, on a device that is seven eighths full. */
HOT u64 exchange(const struct state *s, const struct options *o, u64 g)
{
	u64 c = g >> o->cluster_shift;

	s->smap[g] = 0;
	s->cluster[c].count -= 1;
	s->dev[1].used -= 1;
	s->ctl[S_NR_SWAP_PAGES] += 1;
	s->ctl[S_SLOTS] -= 1;
	relist(s->dev + 1, s->cluster, c, s->cluster[c].count == 0 ? FREE_LIST : NONFULL_LIST);
	return slot_alloc(s, o, 1, 0) - 1;
}

#define CLUSTER(name, before)                                                                          \
	EXPORT u64 cluster_##name(const struct state *s, u64 *held, u64 first, u64 n, u64 bits)        \
	{                                                                                              \
		const struct options o = { .cluster_shift = s->ctl[C_CLUSTER_SHIFT] };                 \
		u64 total = 0;                                                                         \
		for (u64 i = 0; i < n; i++) {                                                          \
			u64 at = scramble(first + i, bits);                                            \
			before;                                                                        \
			held[at] = exchange(s, &o, held[at]);                                          \
			total += held[at];                                                             \
		}                                                                                      \
		return total;                                                                          \
	}

CLUSTER(fenced, _mm_lfence())
CLUSTER(overlapped, )
