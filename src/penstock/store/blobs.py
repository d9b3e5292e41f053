"""Blob stores by address, as farm.toml names them."""

import os
from pathlib import Path

from penstock.ports import BlobStore, StoreError


def open_blobs(url: str, folder: Path) -> BlobStore:
    """The blob store at `url`; a path is relative to `folder`.

    "file:blobs" is a folder, relative or absolute, made when it is missing; "s3://bucket/prefix" is found as
    store/s3.py says, with key and endpoint from the environment; "memory:" keeps nothing. Raises StoreError for
    other addresses. Each library is imported only by whoever needs it.
    """
    if url == "memory:":
        from obstore.store import MemoryStore

        from penstock.store.objectblobs import ObjectBlobs
        from penstock.store.objects import Objects

        return ObjectBlobs(Objects(MemoryStore()))
    if url.startswith("s3://"):
        from penstock.store.objectblobs import ObjectBlobs
        from penstock.store.s3 import open_s3

        return ObjectBlobs(open_s3(url, os.environ))
    path = url.removeprefix("file:").removeprefix("//")
    if url.startswith("file:") and path:
        from penstock.store.folderblobs import FolderBlobs

        return FolderBlobs(folder / path)
    raise StoreError(f"no blob store is known for {url!r}: write file:FOLDER or s3://BUCKET/PREFIX")
