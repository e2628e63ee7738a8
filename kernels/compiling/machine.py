"""Architecture that kernels are compiled for: some instructions are of one alone."""

from __future__ import annotations

import platform

X86 = platform.machine().lower() in {"x86_64", "amd64"}
"""True on 64-bit x86."""
