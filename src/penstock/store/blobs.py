"""Blob stores by address, as farm.toml names them."""

from pathlib import Path

from penstock.ports import BlobStore, StoreError


def open_blobs(url: str, folder: Path) -> BlobStore:
    """The blob store at `url`; a path is relative to `folder`.

    "file:blobs" is a folder, relative or absolute, made when it is missing; "memory:" keeps nothing. Raises
    StoreError for other addresses. Each library is imported only by whoever needs it.
    """
    if url == "memory:":
        from obstore.store import MemoryStore

        from penstock.store.objectblobs import ObjectBlobs

        return ObjectBlobs(MemoryStore())
    path = url.removeprefix("file:").removeprefix("//")
    if url.startswith("file:") and path:
        from penstock.store.folderblobs import FolderBlobs

        return FolderBlobs(folder / path)
    raise StoreError(f"no blob store is known for {url!r}: write file:FOLDER")
