"""Check sums by which messages end."""

from struct import pack


def reflected(data: bytes, polynomial: int, crc: int) -> bytes:
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ polynomial if crc & 1 else crc >> 1
    return pack("<H", crc ^ 0xFFFF)
