/*
 * The algorithms of kernels/xarray.py and kernels/idalloc.py in C, on the same buffers.
 *
 * Written from our Python model; it is no part of any kernel. Node: 73 words of 64 bits; word 0 shift u8, offset u8, count u8,
 * nr_values u8; 1 parent; 5..68 slots; 69..71 marks. Head: 8 words: lock, entry, free marks. Entries: node (word index << 2 | 2),
 * value (low bit 1), or pointer.
 */
#ifndef LIMITS_XARRAY_H
#define LIMITS_XARRAY_H

#include <stdint.h>

typedef uint64_t u64;

enum { HEAD_WORDS = 8, H_LOCK = 0, H_ENTRY = 1, H_FREE = 2 };
enum { P_FREE = 0, P_HIGH = 1, P_USED = 2, P_PEAK = 3, SLOTS = 5, MARKS = 69, NODE = 73 };

static inline int is_node(u64 entry) { return (entry & 3) == 2; }
static inline u64 shift_of(const u64 *pool, u64 node) { return pool[node] & 0xff; }

static inline u64 load(const u64 *head, u64 h, const u64 *pool, u64 index)
{
	u64 entry = head[h * HEAD_WORDS + H_ENTRY];
	u64 node, offset;

	if (!is_node(entry))
		return index == 0 ? entry : 0;
	node = entry >> 2;
	offset = index >> shift_of(pool, node);
	if (offset > 63)
		return 0;
	for (;;) {
		entry = pool[node + SLOTS + offset];
		if (!is_node(entry))
			return entry;
		node = entry >> 2;
		offset = (index >> shift_of(pool, node)) & 63;
	}
}

static inline u64 find_slot(const u64 *head, u64 h, const u64 *pool, u64 index)
{
	u64 entry = head[h * HEAD_WORDS + H_ENTRY];

	if (!is_node(entry) || index >> shift_of(pool, entry >> 2) > 63)
		return 0;
	for (;;) {
		u64 node = entry >> 2;
		u64 shift = shift_of(pool, node);
		u64 slot = node + SLOTS + ((index >> shift) & 63);

		entry = pool[slot];
		if (shift == 0)
			return slot;
		if (!is_node(entry))
			return 0;
	}
}

static u64 node_alloc(u64 *pool, u64 shift, u64 parent, u64 offset, int free_marks)
{
	u64 node = pool[P_FREE];

	if (node != 0) {
		pool[P_FREE] = pool[node + 1];
	} else {
		node = pool[P_HIGH];
		pool[P_HIGH] = node + NODE;
	}
	pool[P_USED] += 1;
	if (pool[P_PEAK] < pool[P_USED])
		pool[P_PEAK] = pool[P_USED];
	pool[node] = shift | offset << 8;
	pool[node + 1] = parent;
	pool[node + MARKS] = free_marks ? ~(u64)0 : 0;
	if (parent != 0)
		pool[parent] += (u64)1 << 16;
	return node;
}

/* The list of nodes with nothing but shadows (kernels/structures/shadow_nodes.py): links in words 3 and 4 of a node. */
enum { LINKS = 3, SHADOWS = 8, LENGTH = 10 };

static void list_leave(u64 *pool, u64 node)
{
	u64 after = pool[node + LINKS], before = pool[node + LINKS + 1];

	pool[before] = after;
	pool[after + 1] = before;
	pool[node + LINKS] = 0;
	pool[node + LINKS + 1] = 0;
	pool[LENGTH] -= 1;
}

static void list_join(u64 *pool, u64 node)
{
	u64 last = pool[SHADOWS + 1];

	pool[node + LINKS] = SHADOWS;
	pool[node + LINKS + 1] = last;
	pool[last] = node + LINKS;
	pool[SHADOWS + 1] = node + LINKS;
	pool[LENGTH] += 1;
}

static inline void list_update(u64 *pool, u64 node, u64 count, u64 values)
{
	int listed = pool[node + LINKS] != 0;

	if (listed != (count != 0 && count == values)) {
		if (listed)
			list_leave(pool, node);
		else
			list_join(pool, node);
	}
}

static void node_free(u64 *pool, u64 node)
{
	if (pool[node + LINKS] != 0)
		list_leave(pool, node);
	pool[node + SLOTS] = 0;
	pool[node + MARKS] = 0;
	pool[node + MARKS + 1] = 0;
	pool[node + MARKS + 2] = 0;
	pool[node] = 0;
	pool[node + 1] = pool[P_FREE];
	pool[P_FREE] = node;
	pool[P_USED] -= 1;
}

static u64 expand(u64 *head, u64 h, u64 *pool, u64 index)
{
	u64 base = h * HEAD_WORDS;
	int track = (head[base + H_FREE] & 1) != 0;
	u64 entry = head[base + H_ENTRY];
	u64 shift = 0;
	u64 node;

	if (entry == 0) {
		while (index >> shift > 63)
			shift += 6;
		node = node_alloc(pool, shift, 0, 0, track);
		head[base + H_ENTRY] = node << 2 | 2;
		return node;
	}
	if (is_node(entry))
		shift = shift_of(pool, entry >> 2) + 6;
	while (!is_node(entry) || index >> (shift - 6) > 63) {
		node = node_alloc(pool, shift, 0, 0, track);
		pool[node] += (u64)1 << 16 | (entry & 1) << 24;
		pool[node + SLOTS] = entry;
		if (track && (head[base + H_FREE] & 2) == 0) {
			pool[node + MARKS] &= ~(u64)1;
			head[base + H_FREE] |= 2;
		}
		if (is_node(entry))
			pool[(entry >> 2) + 1] = node;
		entry = node << 2 | 2;
		head[base + H_ENTRY] = entry;
		shift += 6;
	}
	return entry >> 2;
}

static void set_free_mark(u64 *head, u64 h, u64 *pool, u64 node, u64 offset)
{
	for (;;) {
		u64 word = node + MARKS;

		if (pool[word] >> offset & 1)
			return;
		pool[word] |= (u64)1 << offset;
		offset = pool[node] >> 8 & 0xff;
		node = pool[node + 1];
		if (node == 0) {
			head[h * HEAD_WORDS + H_FREE] |= 2;
			return;
		}
	}
}

static void clear_free_mark(u64 *head, u64 h, u64 *pool, u64 node, u64 offset)
{
	for (;;) {
		u64 word = node + MARKS;

		if ((pool[word] >> offset & 1) == 0)
			return;
		pool[word] &= ~((u64)1 << offset);
		if (pool[word] != 0)
			return;
		offset = pool[node] >> 8 & 0xff;
		node = pool[node + 1];
		if (node == 0) {
			head[h * HEAD_WORDS + H_FREE] &= ~(u64)2;
			return;
		}
	}
}

static inline u64 store_leaf(u64 *head, u64 h, u64 *pool, u64 node, u64 index, u64 new, u64 *leaf)
{
	int track = (head[h * HEAD_WORDS + H_FREE] & 1) != 0;
	u64 offset, slot, old;

	for (;;) {
		u64 shift = shift_of(pool, node);

		offset = (index >> shift) & 63;
		slot = node + SLOTS + offset;
		old = pool[slot];
		if (shift == 0)
			break;
		if (old == 0) {
			u64 child = node_alloc(pool, shift - 6, node, offset, track);

			pool[slot] = child << 2 | 2;
			node = child;
		} else {
			node = old >> 2;
		}
	}
	if (old != new) {
		u64 change = (old == 0 ? (u64)1 << 16 : 0) + (((new & 1) - (old & 1)) << 24);

		pool[slot] = new;
		if (change != 0)
			pool[node] += change;
	}
	if (track)
		clear_free_mark(head, h, pool, node, offset);
	*leaf = node;
	return old;
}

static inline u64 store_below(u64 *head, u64 h, u64 *pool, u64 node, u64 index, u64 new)
{
	u64 leaf;

	return store_leaf(head, h, pool, node, index, new, &leaf);
}

/* As store(); the leaf is 0 if the head itself has the entry. */
static inline u64 store_at(u64 *head, u64 h, u64 *pool, u64 index, u64 new, u64 *leaf)
{
	u64 base = h * HEAD_WORDS;
	u64 entry = head[base + H_ENTRY];
	u64 node;

	if (index == 0 && !is_node(entry)) {
		head[base + H_ENTRY] = new;
		head[base + H_FREE] &= ~(u64)2;
		*leaf = 0;
		return entry;
	}
	if (!is_node(entry) || index >> shift_of(pool, entry >> 2) > 63)
		node = expand(head, h, pool, index);
	else
		node = entry >> 2;
	return store_leaf(head, h, pool, node, index, new, leaf);
}

static inline u64 store(u64 *head, u64 h, u64 *pool, u64 index, u64 new)
{
	u64 leaf;

	return store_at(head, h, pool, index, new, &leaf);
}

static void shrink(u64 *head, u64 h, u64 *pool, u64 node)
{
	u64 base = h * HEAD_WORDS;

	while ((pool[node] >> 16 & 0xff) == 1) {
		u64 entry = pool[node + SLOTS];

		if (entry == 0 || (!is_node(entry) && shift_of(pool, node) != 0))
			return;
		head[base + H_ENTRY] = entry;
		if ((head[base + H_FREE] & 1) && (pool[node + MARKS] & 1) == 0)
			head[base + H_FREE] &= ~(u64)2;
		node_free(pool, node);
		if (!is_node(entry))
			return;
		node = entry >> 2;
		pool[node + 1] = 0;
	}
}

static void delete_node(u64 *head, u64 h, u64 *pool, u64 node)
{
	while ((pool[node] >> 16 & 0xff) == 0) {
		u64 parent = pool[node + 1];
		u64 offset = pool[node] >> 8 & 0xff;

		node_free(pool, node);
		if (parent == 0) {
			head[h * HEAD_WORDS + H_ENTRY] = 0;
			return;
		}
		pool[parent + SLOTS + offset] = 0;
		pool[parent] -= (u64)1 << 16;
		node = parent;
	}
	if (pool[node + 1] == 0)
		shrink(head, h, pool, node);
}

static inline u64 erase_slot(u64 *head, u64 h, u64 *pool, u64 slot, u64 index)
{
	u64 base = h * HEAD_WORDS;
	u64 old = pool[slot];
	u64 node, keep;

	if (old == 0)
		return 0;
	node = slot - SLOTS - (index & 63);
	keep = ~((u64)1 << (index & 63));
	pool[node + MARKS + 1] &= keep;
	pool[node + MARKS + 2] &= keep;
	if (head[base + H_FREE] & 1)
		set_free_mark(head, h, pool, node, index & 63);
	else
		pool[node + MARKS] &= keep;
	pool[slot] = 0;
	pool[node] -= (u64)1 << 16 | (old & 1) << 24;
	if ((pool[node] >> 16 & 0xff) == 0 || pool[node + 1] == 0)
		delete_node(head, h, pool, node);
	return old;
}

static inline u64 erase(u64 *head, u64 h, u64 *pool, u64 index)
{
	u64 base = h * HEAD_WORDS;
	u64 slot = find_slot(head, h, pool, index);
	u64 old;

	if (slot != 0)
		return erase_slot(head, h, pool, slot, index);
	old = head[base + H_ENTRY];
	if (index != 0 || is_node(old))
		return 0;
	head[base + H_ENTRY] = 0;
	head[base + H_FREE] |= (head[base + H_FREE] & 1) << 1;
	return old;
}

/* Entries from index on, with one walk a leaf; a node without entries was freed. */
static void erase_run(u64 *head, u64 h, u64 *pool, u64 index, u64 n)
{
	u64 end = index + n;

	while (index < end) {
		u64 slot = find_slot(head, h, pool, index);
		u64 node = slot - SLOTS - (index & 63);
		u64 stop = (index | 63) + 1;

		if (slot == 0) {
			erase(head, h, pool, index);
			index += 1;
			continue;
		}
		if (stop > end)
			stop = end;
		while (index < stop && (pool[node] >> 16 & 0xff) != 0) {
			erase_slot(head, h, pool, slot, index);
			slot += 1;
			index += 1;
		}
	}
}

static u64 find_free(const u64 *head, u64 h, const u64 *pool, u64 low, u64 *at)
{
	u64 entry = head[h * HEAD_WORDS + H_ENTRY];
	u64 index = low;
	u64 node, top;

	*at = 0;
	if (!is_node(entry))
		return entry == 0 || low > 0 ? low : 1;
	node = entry >> 2;
	top = shift_of(pool, node) + 6;
	if (index >> top != 0)
		return index;
	for (;;) {
		u64 shift = shift_of(pool, node);
		u64 marks = pool[node + MARKS] & (~(u64)0 << ((index >> shift) & 63));
		u64 bit, slot;

		while (marks == 0) {
			u64 from;

			index = ((index >> (shift + 6)) + 1) << (shift + 6);
			if (index >> top != 0)
				return index;
			node = pool[node + 1];
			shift = shift_of(pool, node);
			from = (index >> shift) & 63;
			if (from != 0)
				marks = pool[node + MARKS] & (~(u64)0 << from);
		}
		bit = __builtin_ctzll(marks);
		if (bit != ((index >> shift) & 63))
			index = ((index >> (shift + 6)) << 6 | bit) << shift;
		slot = node + SLOTS + bit;
		if (shift == 0 || pool[slot] == 0) {
			*at = node;
			return index;
		}
		node = pool[slot] >> 2;
	}
}

static u64 alloc(u64 *head, u64 h, u64 *pool, u64 low, u64 high, u64 new)
{
	u64 node;
	u64 index = find_free(head, h, pool, low, &node);

	if (index > high)
		return ~(u64)0;
	if (node == 0)
		store(head, h, pool, index, new);
	else
		store_below(head, h, pool, node, index, new);
	return index;
}

/* Bijection of 0 .. 2^bits - 1: neighbours land far apart. */
static inline u64 scramble(u64 i, u64 bits)
{
	u64 mask = ((u64)1 << bits) - 1;
	u64 x = (i * 0x9E3779B97F4A7C15u) & mask;

	x ^= x >> ((bits + 1) >> 1);
	return (x * 0xD1342543DE82EF95u) & mask;
}

#define EXPORT __attribute__((visibility("default")))

#endif
