"""Texts of a platform made harmless: what would steer a terminal or a page is shown, not obeyed."""

import re

# C0 but tab and line feed, DEL, C1, soft hyphen, marks and overrides of writing direction, zero
# width (joiners stay: scripts need them), separators of lines, interlinear, tags, half pairs,
# and what is no character.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_BASIC_PLANE_MAX = 0xFFFF


def plain(text: str) -> str:
    """Write control characters as JSON does, in ASCII; line feeds and tabs stay."""
    return _CONTROLS.sub(_escaped, text.replace("\r\n", "\n"))


def ascii_only(text: str) -> str:
    """Write everything beyond ASCII as JSON does."""
    return _NOT_ASCII.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code <= _BASIC_PLANE_MAX:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
