"""The names of the lower bound's own: control words and a region."""

from __future__ import annotations

from kernels.own import FOLIO, Own

OWN = Own("oracle")

S_FREE = OWN.state("S_FREE", "head of the free list of words")
S_HIGH = OWN.state("S_HIGH", "first word that was never used", 1)
S_WORDS = OWN.state("S_WORDS", "words in use: pages that are swapped out, or have swap space")
S_WORDS_PEAK = OWN.statistic("S_WORDS_PEAK", "most words in use")

R_WORD = OWN.region("page word", guards=FOLIO)
