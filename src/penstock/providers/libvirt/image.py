"""What scripts/build-image wrote into an image's folder, as far as machines are made of it."""

from pathlib import Path

import msgspec

from penstock.model.pool_foreign import OURS
from penstock.ports import NoAnswer

DESCRIPTION = "image.json"
FILES = ("vmlinux", "initramfs.cpio", "root.erofs")


class Image(msgspec.Struct, frozen=True):
    """One image. `digest`: of all its files; `words`: its kernel's command line."""

    folder: Path
    digest: str
    words: str


class _Described(msgspec.Struct):
    digest: str
    cmdline: str
    agents: tuple[str, ...] = ()


def read_image(folder: Path, agent: str = OURS) -> Image:
    """The image in a folder, which has that agent; ours needs no room in it. Raises NoAnswer: there may be one when it is
    asked again."""
    try:
        said = msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=_Described)
    except (OSError, msgspec.DecodeError) as problem:
        raise NoAnswer(f"{folder} holds no image, as scripts/build-image writes it: {problem}") from problem
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise NoAnswer(f"the image {folder} lacks {', '.join(missing)}")
    if agent not in (OURS, *said.agents):
        raise NoAnswer(f"the image {folder} has no {agent}: scripts/build-image --agent {agent}")
    return Image(folder.absolute(), said.digest, said.cmdline)
