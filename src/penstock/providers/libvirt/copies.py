"""How machines begin as copies of a template, what is done where the host does not let copies share its memory, and which templates
are removed: those that no pool makes copies of any more, since its image, its settings or the host's qemu are others now.
"""

import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

import libvirt

from penstock.ports import NoAnswer, ProviderError
from penstock.providers.libvirt.domain import Named, memory_of
from penstock.providers.libvirt.files import Files
from penstock.providers.libvirt.link import Connection, Link
from penstock.providers.libvirt.machines import Machine
from penstock.providers.libvirt.template import MAKING, STEM, Made, Template

_POOLS: dict[tuple[Path, str], "Copies"] = {}
"""Who has templates in which folder: pools may share one."""
_guard = threading.Lock()


class Copies:
    """One pool's. `share`: whether they may share the memory of their template, None where no machine is a copy. `made`: says what
    machines are made of now; it raises ProviderError.

    Sharing needs arguments of qemu's own and a file that qemu opens: what guards a host (AppArmor, SELinux) may refuse either. Then
    each copy has all of the memory, which takes longer; what the first copy came to is remembered as long as the process lives.
    """

    def __init__(
        self, pool: str, link: Link, files: Files, share: bool | None, made: Callable[[], Made]
    ) -> None:
        self._link, self._files, self._made = link, files, made
        self._share, self._proved, self._tidied = share, False, "never"
        with _guard:
            _POOLS[(files.folder, pool)] = self

    def begin(self, machine: Machine, named: Named) -> None:
        """Run one. Raises ProviderError."""
        try:
            self._copy(machine, named)
            self._proved = True
        except ProviderError:
            if self._proved or not self._share or not machine.wants("up"):
                raise
            self._share = False
            try:
                self._copy(machine, named)
            except ProviderError:
                self._share = True
                raise
        self.tidy()

    def _copy(self, machine: Machine, named: Named) -> None:
        saved = self._files.saved(machine.id)
        try:
            xml = self._template().copy(named, saved, lambda: machine.wants("up"))
            self._link.change("define", lambda there: there.defineXML(xml))
            self._link.change("restore", lambda there: there.restore(str(saved)))
        except OSError as problem:
            raise NoAnswer(f"{saved}: {problem}") from problem
        finally:
            saved.unlink(missing_ok=True)

    def _template(self) -> Template:
        return Template(self._link, self._files.folder, self._made(), bool(self._share))

    def stem(self) -> str:
        """What the files of its template begin with; "" where no machine is a copy. Raises ProviderError."""
        return "" if self._share is None else self._template().stem()

    def tidy(self) -> None:
        """Remove what is left of templates in its folder that no pool uses, once for each that it uses itself."""
        if not MAKING.acquire(blocking=False):
            return  # one is made just now: the next machine has time for this
        try:
            mine = self.stem()
            if mine != self._tidied:
                self._remove_others()
                self._tidied = mine
        except (ProviderError, OSError):
            pass  # the next machine tries again
        finally:
            MAKING.release()

    def _remove_others(self) -> None:
        folder = self._files.folder
        with _guard:
            pools = [one for (where, _), one in _POOLS.items() if where == folder]
        used = {one.stem() for one in pools}
        self._link.change("end", lambda there: _end_others(there, folder, used))
        kept = used | self._link.call("look", _remembered)
        for file in folder.glob(f"{STEM}*"):
            if file.stem not in kept:
                file.unlink(missing_ok=True)


def _remembered(there: Connection) -> set[str]:
    """Templates whose memory a machine goes on with when it wakes."""
    found = set()
    for domain in there.listAllDomains(0):
        with suppress(libvirt.libvirtError):
            found.add(Path(memory_of(domain.XMLDesc(0))).stem)
    return found


def _end_others(there: Connection, folder: Path, used: Collection[str]) -> None:
    """End what a hub that was killed left of making a template of this folder that nobody uses now."""
    for domain in there.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        with suppress(libvirt.libvirtError):
            begun = domain.name().removeprefix("penstock-").rpartition("-")[0]
            if begun.startswith(STEM) and begun not in used and f"{folder}/" in domain.XMLDesc(0):
                domain.destroy()
