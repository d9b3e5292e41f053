"""How machines begin as copies of a template, and what is done where the host does not let copies share its memory."""

from penstock.ports import NoAnswer, ProviderError
from penstock.providers.libvirt.domain import Build, Named
from penstock.providers.libvirt.files import Files
from penstock.providers.libvirt.link import Link
from penstock.providers.libvirt.machines import Machine
from penstock.providers.libvirt.template import Template


class Copies:
    """One pool's. `share`: whether they may share the memory of their template.

    Sharing needs arguments of qemu's own and a file that qemu opens: what guards a host (AppArmor, SELinux) may refuse either. Then
    each copy has all of the memory, which takes longer; what the first copy came to is remembered as long as the process lives.
    """

    def __init__(self, link: Link, files: Files, share: bool) -> None:
        self._link, self._files = link, files
        self._share, self._proved = share, False

    def begin(self, machine: Machine, named: Named, build: Build, image_digest: str) -> None:
        """Run one. Raises ProviderError."""
        if not self._share:
            self._copy(machine, named, Template(self._link, self._files.folder, build, image_digest, False))
            return
        try:
            self._copy(machine, named, Template(self._link, self._files.folder, build, image_digest, True))
            self._proved = True
        except ProviderError:
            if self._proved or not machine.wants("up"):
                raise
            self._copy(machine, named, Template(self._link, self._files.folder, build, image_digest, False))
            self._share = False

    def _copy(self, machine: Machine, named: Named, template: Template) -> None:
        saved = self._files.saved(machine.id)
        try:
            xml = template.copy(named, saved, lambda: machine.wants("up"))
            self._link.change("define", lambda there: there.defineXML(xml))
            self._link.change("restore", lambda there: there.restore(str(saved)))
        except OSError as problem:
            raise NoAnswer(f"{saved}: {problem}") from problem
        finally:
            saved.unlink(missing_ok=True)
