"""Packets as bytes: places as in docs/packets.md, not as the code under test has them."""


def split(data: bytes) -> list[bytes]:
    """By their length fields."""
    found = []
    while data:
        size = 7 + int.from_bytes(data[4:6])
        found.append(data[:size])
        data = data[size:]
    return found


def unmarked(packet: bytes) -> bytes:
    """Without the REPLAY flag of its quality bytes, and without the CRC."""
    data = bytearray(packet[:-2])
    first, step = {5: (32, 1 << 20), 130: (23, 1 << 20), 3: (23, 9), 129: (25, 15)}.get(data[7], (1 << 20, 1))
    for place in range(first, len(data), step):
        data[place] &= ~0x40
    return bytes(data)
