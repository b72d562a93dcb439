"""Reading the files of message catalogs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.support import NullTranslations, Translations

__all__ = ["CatalogError", "load_catalog"]


class CatalogError(ValueError):
    """A message catalog is missing or invalid; the message names the file.

    .. versionadded:: 0.1
    """


def load_catalog(
    folders: Sequence[Path], tag: str, locale: str, domain: str, *, required: bool
) -> NullTranslations | Translations:
    """Return the translations of a language, from all *folders* that have them.

    The catalog of ``de-AT`` may contain only what differs from that of ``de``.

    Arguments:
        folders: The folders with a folder for each language.
        tag: The tag of the language (BCP 47).
        locale: Its name in Babel.
        domain: The name of the file without its ending.
        required: Whether it is an error that there is no catalog.

    Raises:
        CatalogError: There is no catalog, or it is invalid.
    """
    found = NullTranslations()
    names = list(_folder_names(tag, locale))
    for name in names:
        for folder in folders:
            path = folder / name / "LC_MESSAGES" / f"{domain}.po"
            if (translations := _read(path, name)) is None:
                continue
            if isinstance(found, Translations):
                found.add_fallback(translations)
            else:
                found = translations
    if required and not isinstance(found, Translations):
        first = folders[0] / names[0] / "LC_MESSAGES" / f"{domain}.po"
        raise CatalogError(
            f"The language {tag!r} has no message catalog: create {first} with"
            f" `pybabel init -i {domain}.pot -d {folders[0]} -l {names[0]}`"
        )
    return found


def _folder_names(tag: str, locale: str) -> Iterator[str]:
    """Iterate over the names of folders for a language: pt_BR, then pt."""
    name = tag.replace("-", "_")
    yield from dict.fromkeys((name, locale))
    while "_" in name:
        name = name.rpartition("_")[0]
        yield name


def _read(po_path: Path, locale: str) -> Translations | None:
    """Return the catalog in the ``.mo`` file, or in the ``.po`` file if that is newer."""
    mo_path = po_path.with_suffix(".mo")
    has_po, has_mo = po_path.is_file(), mo_path.is_file()
    if has_po and not (has_mo and mo_path.stat().st_mtime >= po_path.stat().st_mtime):
        return Translations(BytesIO(_compiled(po_path, locale)))
    if not has_mo:
        return None
    try:
        with mo_path.open("rb") as file:
            return Translations(file)
    except (OSError, ValueError) as error:  # as gettext raises them for other files
        raise CatalogError(f"{mo_path} is no compiled message catalog: {error}") from error


def _compiled(path: Path, locale: str) -> bytes:
    """Return what ``pybabel compile`` would write. Fuzzy translations are left out.

    Raises:
        CatalogError: The file is invalid, or the variables of a translation are not those of its
            message.
    """
    try:
        with path.open("rb") as file:
            catalog = read_po(file, locale=locale, abort_invalid=True)
    except (PoFileError, ValueError) as error:
        raise CatalogError(f"{path} is no message catalog: {error}") from error
    for message, errors in catalog.check():
        if errors and not message.fuzzy:
            raise CatalogError(f"{path}, line {message.lineno}: {errors[0]}")
    compiled = BytesIO()
    write_mo(compiled, catalog)
    return compiled.getvalue()
