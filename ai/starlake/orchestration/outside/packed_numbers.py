"""Sorted numbers in few bits: the gaps between them, in Rice's code."""

from __future__ import annotations

from collections.abc import Iterable


def packed(numbers: Iterable[int], bits: int, count: int) -> bytes:
    """Return packed numbers, each in about as many bits as are needed to identify it among the possible ones.

    Args:
        numbers: The numbers, in any order; with duplicates.
        bits: Each is less than 2 to the power of it.
        count: Number of numbers.
    """
    low = _low_bits(bits, count)
    mask, before, parts = (1 << low) - 1, 0, ["1"]  # the first bit keeps the zeros that follow it
    for number in sorted(numbers):
        gap, before = number - before, number
        parts.append("1" * (gap >> low) + "0")
        parts.append(f"{gap & mask:0{low}b}" if low else "")
    text = "".join(parts)
    return int(text, 2).to_bytes((len(text) + 7) // 8, "big")


def unpacked(data: bytes, bits: int, count: int) -> list[int]:
    """Return the numbers that were packed, sorted.

    Args:
        data: The result of `packed`.
        bits: As for `packed`.
        count: As for `packed`.
    """
    low = _low_bits(bits, count)
    text, at, number, numbers = bin(int.from_bytes(data, "big"))[3:], 0, 0, []
    for _ in range(count):
        end = text.index("0", at)
        at, high = end + 1 + low, end - at
        number += (high << low) + (int(text[end + 1 : at], 2) if low else 0)
        numbers.append(number)
    return numbers


def _low_bits(bits: int, count: int) -> int:
    return max(0, bits - count.bit_length())
