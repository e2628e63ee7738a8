/* Loops over the operations of xarray.h: what benchmarks/limits/drivers.py times on our side. */
#include <emmintrin.h>

#include "xarray.h"

static inline void lock(u64 *word)
{
	while (__atomic_exchange_n(word, 1, __ATOMIC_ACQ_REL) == 1)
		_mm_pause();
}

static inline void unlock(u64 *word) { __atomic_store_n(word, 0, __ATOMIC_RELEASE); }

#define HIGH (~(u64)0 >> 1)
#define VALUE ((first + i) << 1 | 1)

/* Fenced: each operation begins when all before is done, mutations under the lock. Overlapped: neither. */
#define DRIVER(name, before, after, operation)                                                        \
	EXPORT u64 name##_fenced(u64 *head, u64 *pool, u64 first, u64 n, u64 bits)                    \
	{                                                                                             \
		u64 total = 0;                                                                        \
		for (u64 i = 0; i < n; i++) {                                                         \
			u64 index = scramble(first + i, bits);                                        \
			_mm_lfence();                                                                 \
			before;                                                                       \
			total += operation;                                                           \
			after;                                                                        \
		}                                                                                     \
		return total;                                                                         \
	}                                                                                             \
	EXPORT u64 name##_overlapped(u64 *head, u64 *pool, u64 first, u64 n, u64 bits)                \
	{                                                                                             \
		u64 total = 0;                                                                        \
		for (u64 i = 0; i < n; i++) {                                                         \
			u64 index = scramble(first + i, bits);                                        \
			total += operation;                                                           \
		}                                                                                     \
		return total;                                                                         \
	}

static inline u64 churn(u64 *head, u64 *pool, u64 index, u64 value)
{
	erase(head, 0, pool, index);
	return alloc(head, 0, pool, 0, HIGH, value);
}

DRIVER(load, , , load(head, 0, pool, index))
DRIVER(overwrite, lock(head + H_LOCK), unlock(head + H_LOCK), store(head, 0, pool, index, VALUE))
DRIVER(erase, lock(head + H_LOCK), unlock(head + H_LOCK), erase(head, 0, pool, index))
DRIVER(alloc, lock(head + H_LOCK), unlock(head + H_LOCK), alloc(head, 0, pool, 0, HIGH, index << 1 | 1))
DRIVER(churn, lock(head + H_LOCK), unlock(head + H_LOCK), churn(head, pool, index, VALUE))

/* The floor: each load of the bare array at the index that the one before gave. */
EXPORT u64 plain_dependent(const u64 *plain, const u64 *unused, u64 first, u64 n, u64 bits)
{
	u64 at = scramble(first, bits);

	(void)unused;
	for (u64 i = 0; i < n; i++)
		at = plain[at];
	return at;
}
