"""Reads a user's image for a picture: checks that it is a PNG or JPEG of moderate size, and makes a `data:` URL of it.

Only the header is read; the picture's viewer decodes the image.
"""

from base64 import b64encode

MOST_BYTES = 8 * 2**20  # of the file
MOST_PIXELS = 50_000_000
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # segments that begin with the size of the image


class NoImage(ValueError):
    """Raised if a file is not an image that can be shown; the message says why."""


def make_data_url(content: bytes) -> str:
    """Return a PNG or JPEG file as a `data:` URL. Raises NoImage if it is neither, broken, or too large."""
    if len(content) > MOST_BYTES:
        raise NoImage(f"it has {len(content):,} bytes, and at most {MOST_BYTES:,} are embedded: shrink the image")
    if content.startswith(_PNG):
        kind, size = "png", _read_png_size(content)
    elif content.startswith(_JPEG):
        kind, size = "jpeg", _read_jpeg_size(content)
    else:
        raise NoImage("it is neither a PNG nor a JPEG image")
    if size is None or 0 in size:
        raise NoImage(f"it is an incomplete or damaged {kind.upper()} image")
    if size[0] * size[1] > MOST_PIXELS:
        raise NoImage(f"it has {size[0]:,}×{size[1]:,} pixels, and at most {MOST_PIXELS:,} are shown: shrink the image")
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def _read_png_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height from the first chunk, IHDR; None if it is missing. Source: PNG specification, 11.2.1."""
    if content[12:16] != b"IHDR" or len(content) < 33:
        return None
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def _read_jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height from the frame header; None if there is none. Source: ITU-T T.81, B.2.2."""
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if marker in _JPEG_FRAMES:
            height, width = content[place + 5 : place + 7], content[place + 7 : place + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        place += 2 + max(length, 2)
    return None
