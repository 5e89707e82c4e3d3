"""Names and small texts as people's systems and editors leave them."""

import codecs
import unicodedata

BESIDE = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}  # nobody's images


def is_beside(name: str) -> bool:
    """Whether a file or folder is not the dataset's: hidden, as "._cat.jpg" of macOS is, or put there by a system."""
    return name.startswith(".") or name in BESIDE


def composed(name: str) -> str:
    """The name with its accents composed: macOS takes them apart, and both are one name."""
    return unicodedata.normalize("NFC", name)


def printable(name: str) -> str:
    r"""The name for people and JSON: bytes that are no UTF-8 as \xe9."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def decoded(content: bytes, errors: str = "strict") -> str:
    """A text file's text, with Windows' byte-order mark or without, or in the UTF-16 that it calls Unicode.

    Raises UnicodeDecodeError, a ValueError.
    """
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig", errors)
