"""Golden values of src/util/random.ts, from plain integer arithmetic: python tools/golden/random_streams.py > test/golden/random/random.json"""

import json
import math
import struct
import sys

MASK32, MASK64 = 2**32 - 1, 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15


def mix64(z):
    z &= MASK64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK64
    return z ^ (z >> 31)


def seeded(seed, stream=()):
    key = seed
    for part in stream:
        key = mix64(key + GAMMA) ^ part
    return list(struct.unpack("<4I", struct.pack("<2Q", mix64(key + GAMMA), mix64(key + 2 * GAMMA))))


def rotl(x, k):
    return (x << k | x >> (32 - k)) & MASK32


def next32(s):
    result = rotl(s[1] * 5 & MASK32, 7) * 9 & MASK32
    t = s[1] << 9 & MASK32
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = rotl(s[3], 11)
    return result


def uniform(s):
    top, bottom = next32(s) >> 5, next32(s) >> 6
    return (top * 2**26 + bottom) / 2**53


def normal(s):
    radius = math.sqrt(-2 * math.log(1 - uniform(s)))
    return radius * math.cos(2 * math.pi * uniform(s))


def integer(s, bound):
    limit = 2**32 - 2**32 % bound
    while (value := next32(s)) >= limit:
        pass
    return value % bound


def shuffled(s, n):
    items = list(range(n))
    for last in range(n - 1, 0, -1):
        other = integer(s, last + 1)
        items[last], items[other] = items[other], items[last]
    return items


def case(seed, stream=()):
    s = seeded(seed, stream)
    one = {"seed": seed, "stream": list(stream), "words": list(s)}
    one["uint32"] = [next32(s) for _ in range(8)]
    one["uniform"] = [uniform(s) for _ in range(4)]
    one["normal"] = [normal(s) for _ in range(4)]
    one["integers"] = [[bound, integer(s, bound)] for bound in (1, 2, 10, 1000, 3_000_000_000, 2**32)]
    one["shuffled"] = shuffled(s, 12)
    one["last"] = list(s)
    return one


json.dump([case(0), case(1), case(42), case(2**53 - 1), case(0, (0,)), case(0, (1,)), case(7, (3, 12345))], sys.stdout, indent=1)
print()
