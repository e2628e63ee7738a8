"""The conformance suite, installed with the package, for designs inside and outside of it.

``pytest --pyargs dse.testing --designs my_design.py`` runs it under pytest (``pip install 'swapdse[testing]'``), ``dse check my_design.py``
without. Both hold a design against its twin where there is one (:mod:`dse.testing.twins`), else against invariants and content tokens:

================== ==================================================================================================
module             holds
================== ==================================================================================================
``checking``       :func:`dse.check`, and the table of all checks
``streams``        worlds to test in, and random demands for them
``conformance``    a design and its twin side by side; the shortest demand list that shows a failure
``scripts``        demands written by hand: many sharers, full devices, faults and moves that meet other demands
``machine``        the state machine, driven by Hypothesis or by a seeded random walk
``integrity``      many demands with content tokens; ``python -m dse.testing.integrity --demands 1e8`` is the long run
``ledgers``        the ledger in closed form against that of live arrays
``invariants``     invariants of every state
``owners``         memory cgroups that may own what is swapped out
``swapoffs``       what a swapoff may leave
``rules``          locks that guard what is written; needs kernels that are plain Python
``twins``          plain-Python twins, and their base classes
``mutants``        broken steps that the suite must notice
================== ==================================================================================================

With ``NUMBA_DISABLE_JIT=1`` both run the kernels as plain Python, with fewer demands and with every index checked: for a design that brings
the process down, and while a design is written, as nothing has to be compiled.
"""
