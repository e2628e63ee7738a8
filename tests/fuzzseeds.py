"""Seeds and words of the formats that damaged inputs are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

NUMBERS = [
    b"0",
    b"-1",
    b"1",
    b"4096",
    b"18446744073709551615",
    b"9223372036854775808",
    b"1e999",
    b"-0.0",
    b"nan",
    b"inf",
    b"0x" + b"f" * 40,
    b"1" * 5000,
]
JUNK = [
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b"\xff",
    b"\xef\xbb\xbf",
    b"'",
    b'"',
    b'"""',
    b"[" * 3000,
    b"{" * 50,
    b"]",
    b"}",
    b",",
    b"=",
    b"#",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    b"../",
    b"null",
]

LACKEY = b"""==7== Lackey, an example Valgrind tool
==7== Command: ./app
I  0421f3d8,8
 S 1ffefff3e8,4
SYSCALL[7,1](  9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> [pre-success] Success(0x4830000)
 S 04830ff8,16
 M 04831000,8
SYSCALL[7,1]( 11) sys_munmap ( 0x4830000, 8192 )[sync] --> Success(0x0)
SYSCALL[7,1]( 12) sys_brk ( 0x0 ) --> [pre-success] Success(0x4228000)
SYSCALL[7,1]( 25) sys_mremap ( 0x4228000, 4096, 8192, 0x1, 0x0 )[sync] --> Success(0x4229000)
SYSCALL[7,1]( 56) sys_clone ( 1200011, 0x0, 0x0, 0x0, 0x0 )clone(fork): process 7 created child 9
 --> [pre-success] Success(0x9)
SYSCALL[7,1]( 61) sys_wait4 ( 9, 0x1ffeffee14, 0, 0x0 ) --> [async] ...
SYSCALL[7,1]( 61) ... [async] --> Success(0x9)
 L 0421f3f0,8
"""
PERF = b"""# header
    true  3785/3785 [001]  2465.534437: exceptions:page_fault_user: address=0x7fc2f1b96b70 ip=0x7fc2f1b96b70 error_code=0x14
 3785  2465.534440: exceptions:page_fault_user: address=0x5000 ip=0x7fc2f1b977ad error_code=0x6
 3786  2465.534441: exceptions:page_fault_kernel: address=0x9000 ip=0x7fc2f1b977ad error_code=0x6
"""
SAMPLES = b" 3818  2466.903432: page-faults:u:     55cea453d1e0 ffffffff821e8fc0\n 7 1.0: 1 page-faults: 1000\n"
SPLIT = b"demo 42/43 123.000001: minor-faults: 1234000\ndemo 42/43 123.1: major-faults: 1235000\n"
CSV = [
    b"page,write\n5,1\n7,0\n18,1\n",
    b"# time (ms), op [Put:0, Get:1], object id, size\n0,1,7,8371\n103,1,8,31\n",
    b"v,t,op,size,lbn\n1,0,28,512,8\n1,2,2a,65536,16\n",
]
COLUMNS: list[dict[str, Any]] = [
    {}, {"page_column": 3}, {"page_column": 5, "unit": "sector", "size_column": 4}, {"page_column": 5, "unit": "byte", "size_column": 0},
    {"page_column": 5, "write_column": 3, "writes": ["2a"], "unit": "object"}, {"page_column": 1, "write_column": 2},
    {"page_column": 5, "unit": "1048576", "size_column": 4, "size_unit": 512}, {"writes": ["1"]},
]  # fmt: skip
ORACLE = b"".join(np.array([(n, n * 77 % 9, 4096, -2)], "<u4,<u8,<u4,<i8").tobytes() for n in range(12))
UNITS: list[dict[str, Any]] = [{}, {"unit": "object"}, {"unit": "sector"}, {"unit": "byte"}, {"unit": "page"}, {"unit": "65536"}]


SPACE = '[axes.design]\nvalues = ["direct", "swap_id"]\n[scenario]\nworkload = { generator = "zipf" }\n'

SQL = [
    b"SELECT design, op, value FROM ops WHERE op IN ('swap_in', 'it''s') ORDER BY value LIMIT 3",
    b"WITH t AS (SELECT design, value FROM ops) SELECT design, MAX(value) AS n, COUNT(*) FROM t GROUP BY design HAVING COUNT(*) > 0",
    b"SELECT a.design, b.run FROM ops a JOIN runs AS b ON a.run = b.run LEFT JOIN trials c ON c.design = a.design",
    b"SELECT CASE WHEN value > 1 THEN 'x' ELSE NULL END AS k, CAST(value AS INT), SUBSTRING(op, 1, 2) FROM ops -- a comment",
    b'SELECT "design", AVG(value) AS n FROM (SELECT * FROM ops) AS x GROUP BY "design" UNION ALL SELECT design, 1.0 FROM ops',
]
SQL_WORDS = b"""
SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT OFFSET UNION ALL DISTINCT ON USING JOIN LEFT FULL CROSS SEMI ANTI AS AND OR NOT IN
BETWEEN LIKE ILIKE IS NULL CASE WHEN THEN ELSE END CAST OVER PARTITION ROWS WINDOW WITH INTERVAL DATE EXTRACT UNNEST ( ) , * + - /
% = < > <= != :: || ' " ; . .. [1] {} @ $1 ? \\ -- /* */ ops runs trials asv design value op run 1 0 -1 1e400 1e-400
9223372036854775807 18446744073709551616 '2020-13-45' SUM COUNT MIN MAX AVG STDDEV MEDIAN FIRST LAST QUANTILE_CONT ABS ROUND FLOOR
POW SQRT LN LOG MOD DIV CONCAT LENGTH LEFT RIGHT REPLACE STRPOS REGEXP_LIKE STRPTIME STRFTIME DATE_PART TO_JSON ARRAY_AGG EXPLODE
COALESCE NULLIF GREATEST REPEAT LPAD CHR RANK ROW_NUMBER LAG
""".split()
