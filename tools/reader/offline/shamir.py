"""Shamir's secret sharing, byte by byte over GF(2^8) with the polynomial 0x11b. docs/FORMAT.md, "Conventions"."""
from itertools import combinations
from typing import Iterator, Sequence

Share = tuple[int, bytes]               # x from 1 to 255, and f(x) of each byte


def multiply(left: int, right: int) -> int:
    """In GF(2^8): carry-less multiplication, reduced by x^8 + x^4 + x^3 + x + 1."""
    product = 0
    while right:
        if right & 1:
            product ^= left
        left = (left << 1) ^ (0x11b if left & 0x80 else 0)
        right >>= 1
    return product


def inverse(value: int) -> int:
    """value^254, which is 1/value: the group has 255 elements."""
    result = 1
    for _ in range(254):
        result = multiply(result, value)
    return result


def combine(shares: Sequence[Share]) -> bytes:
    """f(0) by Lagrange's interpolation: the sum of f(x) times the product of other/(other - x). Minus is exclusive or."""
    secret = bytearray(len(shares[0][1]))
    for x, values in shares:
        weight = 1
        for other, _ in shares:
            if other != x:
                weight = multiply(weight, multiply(other, inverse(other ^ x)))
        for place, value in enumerate(values):
            secret[place] ^= multiply(weight, value)
    return bytes(secret)


def choices(shares: Sequence[Share], threshold: int) -> Iterator[tuple[Share, ...]]:
    """Every way to take so many shares of different x. More than one way only matters if some share is not what it says."""
    for chosen in combinations(shares, threshold):
        if len({x for x, _ in chosen}) == threshold and len({len(values) for _, values in chosen}) == 1:
            yield chosen
