"""Text from strangers, as a person would see it: decoded, and without the characters that nobody sees.

Invisible characters carry instructions past a reader's eye and into a model (OWASP LLM01:2026). Documents and web pages
pass through here before anything else looks at them.
"""

import re
from contextlib import suppress

INVISIBLE = re.compile(
    "["
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners, fillers
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"  # no width, direction
    "\U000e0000-\U000e0fff"  # tags, more variations
    "\x00-\x08\x0b\x0e-\x1f\x7f-\x9f"  # controls but tab, line feed, form feed, carriage return
    "\ud800-\udfff"
    "]"
)
_BREAKS = re.compile("\r\n?|[\x0c\u2028\u2029]")
_CHARSETS = re.compile(
    r"utf-?8|us-ascii|ascii|utf-?16(le|be)?|iso-?8859-\d{1,2}|latin-?1|windows-125\d|cp125\d|koi8-[ru]|"
    r"gb2312|gbk|gb18030|big5|euc-(jp|kr)|shift_jis|iso-2022-jp|macintosh|mac-roman"
)
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([a-zA-Z0-9_:-]{1,40})""", re.IGNORECASE)
_META_WITHIN = 2048


def visible(text: str) -> str:
    """The text with unified line breaks and without invisible characters."""
    return INVISIBLE.sub("", _BREAKS.sub("\n", text))


def decoded(content: bytes, charset: str = "", *, html: bool = False) -> str:
    """The text of some bytes: by its byte order mark, by what was said of it, by a page's own word, or as UTF-8.

    What cannot be decoded becomes U+FFFD. Text that is no UTF-8 and of which nothing was said is read as windows-1252.
    """
    for mark, name in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(name, "replace")
    said = charset.strip().lower()
    if html and not _CHARSETS.fullmatch(said):
        found = _META_CHARSET.search(content[:_META_WITHIN])
        said = found[1].decode("ascii").lower() if found else ""
    if _CHARSETS.fullmatch(said):
        with suppress(LookupError):  # such as windows-1259
            return content.decode("windows-1252" if said in _LATIN else said, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("windows-1252", "replace")


_LATIN = {"iso-8859-1", "iso8859-1", "latin-1", "latin1", "us-ascii", "ascii"}
"""Read as windows-1252, as every browser does (WHATWG Encoding)."""
