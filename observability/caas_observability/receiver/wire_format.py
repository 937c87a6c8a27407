"""Protobuf's wire format, as far as it takes to cut a message into its parts."""

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
VARINT_BYTES_MAX = 10


class BrokenMessageError(ValueError):
    """These bytes are no protobuf message."""


def fields(message: bytes, number: int) -> list[bytes]:
    """Return the contents of the field *number*, each time it occurs.

    Raises:
        BrokenMessageError: The message breaks off, has a field of no known kind, or has *number*
            as something else than bytes.
    """
    found = []
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        start = at
        if kind == VARINT:
            _, at = _varint(message, at)
        elif kind == DELIMITED:
            size, start = _varint(message, at)
            at = start + size
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        else:
            raise BrokenMessageError("a field of no known kind")
        if at > len(message):
            raise BrokenMessageError("it breaks off")
        if key >> 3 == number:
            if kind != DELIMITED:
                raise BrokenMessageError("a field of another kind")
            found.append(message[start:at])
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the last byte has no high bit
            return value, at + index + 1
    raise BrokenMessageError("it breaks off")
