"""Saved functions taken apart, changed, and put together again under checksums made anew."""

from __future__ import annotations

import io
import json
import zipfile
from hashlib import sha256
from typing import Any

from tensorc.api.function import Function

Members = dict[str, bytes]
MANIFEST = "manifest.json"


def saved(function: Function) -> io.BytesIO:
    """What `save` writes."""
    file = io.BytesIO()
    function.save(file)
    file.seek(0)
    return file


def members(file: io.BytesIO) -> Members:
    """All members of an archive."""
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest(parts: Members) -> dict[str, Any]:
    """What the manifest says."""
    table: dict[str, Any] = json.loads(parts[MANIFEST])
    return table


def with_manifest(parts: Members, table: Any) -> Members:
    """The members under another manifest."""
    return {**parts, MANIFEST: json.dumps(table).encode()}


def checksummed(parts: Members) -> Members:
    """The members with a manifest that has their digests."""
    table = manifest(parts)
    table["members"] = {name: sha256(data).hexdigest() for name, data in parts.items() if name != MANIFEST}
    return with_manifest(parts, table)


def packed(parts: Members) -> io.BytesIO:
    """An archive of these members, as they are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    file.seek(0)
    return file
