""".penstock.yml -> Manifest. Every mistake is named by line; the text may be hostile.

The fields, their defaults and examples: docs/reference/penstock-yml.md.
"""

from collections.abc import Callable
from typing import Any

from penstock.config.files import decoded
from penstock.config.items import (
    Desk,
    Field,
    Fields,
    Item,
    Noted,
    Refused,
    each,
    listing,
    near,
    read_table,
    record,
    shown,
)
from penstock.config.values import choice, count, duration, label, name, size
from penstock.config.yaml_lines import read_yaml
from penstock.forges.git.address import NotAllowed, address_of, check_path, check_ref
from penstock.model.manifest import AskedTest, Manifest, ModuleAsk, Need, SourceAsk
from penstock.policy.planning import ASKED_CLASSES

NAME = ".penstock.yml"
MOST_SECRETS = 16
"""So many files an agent hands to one job."""


def read_manifest(text: bytes, file: str) -> Manifest:
    """The manifest that `text` holds; `file` is what its mistakes call it. Raises Mistakes, one for each thing."""
    desk = Desk(file)
    document = read_yaml(desk, decoded(text, file))
    found: dict[str, Any] = {}
    with Noted(desk, document):
        if document.value is None:
            raise Refused("is empty", "write `version: 1` and `modules:`")
        found = read_table(desk, document, NAME, DOCUMENT)
        _needs_known(desk, document.value.get("modules"))
    desk.finish()
    return Manifest(file, found["modules"])


def _modules(desk: Desk, item: Item, where: str) -> tuple[ModuleAsk, ...]:
    if not isinstance(item.value, dict) or not item.value:
        raise Refused(
            f"{where} is {shown(item.value) if item.value else 'empty'}", "write modules by their names"
        )
    found = []
    for key, module in item.value.items():
        with Noted(desk, module):
            name(desk, Item(key, module.line), "a module's name")
            found.append(record(_module(key, module.line), MODULE)(desk, module, f"module {key}"))
    return tuple(found)


def _module(key: str, line: int) -> Callable[..., ModuleAsk]:
    def make(
        size_asked: dict[str, Any] | None = None, test: dict[str, Any] | None = None, **found: Any
    ) -> ModuleAsk:
        own = size(**(size_asked or {}))
        return ModuleAsk(name=key, line=line, size=own, test=_test(test, own), **found)

    return make


def _test(found: dict[str, Any] | None, default: Any) -> AskedTest | None:
    """What was written of a test; a size written in part takes the rest from its module's."""
    if found is None:
        return None
    asked = found.get("size")
    return AskedTest(**(found | {"size": size(**asked, default=default) if asked else None}))


def _command(desk: Desk, item: Item, where: str) -> str:
    value = item.value
    if isinstance(value, dict):
        raise Refused(f"{where} is not a command but a mapping", 'put a command that holds ": " in quotes')
    if isinstance(value, list):
        raise Refused(
            f"{where} is not a command but a list", "write each command on a line of its own, after -"
        )
    if not isinstance(value, str):
        raise Refused(
            f"{where} is not a command but {shown(value)}",
            f'write it in quotes, "{value}"' if value is not None else "write a command after -",
        )
    if not value.strip() or "\0" in value:
        raise Refused(
            f"{where} is {'empty' if not value.strip() else 'not text'}", "write a command, or leave it out"
        )
    return value


def _commands(desk: Desk, item: Item, where: str) -> tuple[str, ...]:
    if isinstance(item.value, str):
        raise Refused(f"{where} is one text, not a list", "write each command on a line of its own, after -")
    return tuple(each(_command, "a list of commands", empty=False)(desk, item, where))


def _checked(check: Callable[[str], Any], item: Item, where: str) -> str:
    """Text that `check` lets pass, told in the words of the forge when it does not."""
    if not isinstance(item.value, str):
        raise Refused(f"{where} is {shown(item.value)}", "write text, in quotes")
    try:
        check(item.value)
    except NotAllowed as wrong:
        raise Refused(wrong.what, wrong.instead) from None
    return item.value


def _folder(desk: Desk, item: Item, where: str) -> str:
    return check_path(_checked(check_path, item, where))


def _git(desk: Desk, item: Item, where: str) -> str:
    return _checked(address_of, item, where)


def _ref(desk: Desk, item: Item, where: str) -> str:
    return _checked(check_ref, item, where)


def _source(desk: Desk, item: Item, where: str) -> SourceAsk | None:
    if isinstance(item.value, str) and ("://" in item.value or "@" in item.value):
        raise Refused(f"{where} is {shown(item.value)}", f"write source: {{git: {item.value}}}")
    if isinstance(item.value, str):
        return SourceAsk(path=_folder(desk, item, where))
    if isinstance(item.value, dict) and "ref" in item.value and "git" not in item.value:
        raise Refused(
            f"{where} has a `ref` but no `git`",
            "write git: URL beside it; a folder of this repository has no ref",
        )
    found: SourceAsk | None = record(SourceAsk, SOURCE)(desk, item, where)
    return found


def _need(desk: Desk, item: Item, where: str) -> Need | None:
    if isinstance(item.value, dict):
        found: Need | None = record(Need, NEED)(desk, item, where)
        return found
    return Need(name(desk, item, where))


def _asked_test(desk: Desk, item: Item, where: str) -> dict[str, Any]:
    if not isinstance(item.value, dict):
        return {"run": _commands(desk, item, where)}
    return read_table(desk, item, where, TEST)


def _size(desk: Desk, item: Item, where: str) -> dict[str, Any]:
    return read_table(desk, item, where, SIZE)


def _artifact(desk: Desk, item: Item, where: str) -> str:
    if not isinstance(item.value, str):
        raise Refused(f"{where} is {shown(item.value)}", 'write a pattern in quotes, such as "$DESTDIR/**"')
    inside = item.value.removeprefix("$DESTDIR/")
    if not inside or inside.startswith("/") or ".." in inside.split("/") or not inside.isprintable():
        raise Refused(
            f"{where} is {shown(item.value)}",
            "write a pattern below $DESTDIR/ or the working folder, without ..",
        )
    return item.value


def _secrets(desk: Desk, item: Item, where: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(each(name, "a list of secrets by their names")(desk, item, where)))
    if len(found) > MOST_SECRETS:
        raise Refused(f"{where} names {len(found)} secrets", f"write at most {MOST_SECRETS}")
    return found


def _version(desk: Desk, item: Item, where: str) -> int:
    if item.value != 1 or isinstance(item.value, bool):
        raise Refused(f"{where} is {shown(item.value)}", "write version: 1")
    return 1


SIZE: Fields = {
    "cores": Field(read=count(1), about="processor cores"),
    "memory_mb": Field(read=count(1), about="memory in MB"),
}
SOURCE: Fields = {
    "git": Field(read=_git, required=True, about="address of the repository, https or ssh"),
    "ref": Field(read=_ref, about="branch, tag or commit"),
    "path": Field(read=_folder, about="folder inside that repository"),
}
NEED: Fields = {
    "module": Field(read=name, required=True, about="name of the module"),
    "platform": Field(read=label, about="platform to build it on"),
}
TEST: Fields = {
    "from": Field(
        read=choice("source", "build"),
        into="start",
        about="what it starts from: a fresh copy of the source, or the build's working tree",
    ),
    "run": Field(read=_commands, required=True, about="commands of the test"),
    "size": Field(read=_size, inner=SIZE, about="what it needs of a machine"),
    "timeout": Field(read=duration, into="timeout_ms", about="how long it may take"),
    "reuse": Field(
        read=choice("passed", "never", "all"), about="which results stand in for a later run of the same key"
    ),
    "secrets": Field(read=_secrets, about="secrets of the farm that the test is given as files, by name"),
}
MODULE: Fields = {
    "source": Field(read=_source, inner=SOURCE, about="a folder of this repository, or {git, ref, path}"),
    "needs": Field(
        read=each(_need, "a list of modules"),
        inner=NEED,
        about="modules that $PREFIX holds; names, or {module, platform}",
    ),
    "platforms": Field(
        read=each(label, "a list of platforms", empty=False),
        required=True,
        about="platforms that it is built for",
    ),
    "size": Field(read=_size, into="size_asked", inner=SIZE, about="what its build needs of a machine"),
    "fetch": Field(read=_commands, about="commands run before the build, with network"),
    "build": Field(read=_commands, required=True, about="commands of the build"),
    "test": Field(
        read=_asked_test, inner=TEST, about="a job after the build; a list of commands or the long form"
    ),
    "artifacts": Field(read=each(_artifact, "a list of patterns"), about="files that are kept and listed"),
    "network": Field(read=choice("none", "full"), about="what the build and the test may reach"),
    "reuse_for": Field(
        read=duration, into="reuse_for_ms", about="how long a result with network full is reused"
    ),
    "retry": Field(read=choice("farm", "never"), about="whether errors of the farm are tried again"),
    "timeout": Field(read=duration, into="timeout_ms", about="how long each of its jobs may take"),
    "trust": Field(read=choice("untrusted", "trusted"), about="may only lower what the change was given"),
    "class": Field(
        read=choice(*ASKED_CLASSES), into="klass", about="may only lower what the change was given"
    ),
    "secrets": Field(read=_secrets, about="secrets of the farm that the build is given as files, by name"),
}
DOCUMENT: Fields = {
    "version": Field(read=_version, required=True, about="1"),
    "modules": Field(read=_modules, required=True, inner=MODULE, about="what is built, by name"),
}
FIELDS: dict[str, str] = listing(DOCUMENT)
"""Every field by its dotted name ("modules.test.run") with one line on what it is for."""


def _needs_known(desk: Desk, modules: Item | None) -> None:
    """Every need names a module of this file, on a platform that module is built for."""
    known = modules.value if modules is not None and isinstance(modules.value, dict) else {}
    built = {key: _texts(module, "platforms") for key, module in known.items()}
    for key, module in known.items():
        for need, wanted, platform in _asked(module):
            if wanted not in known:
                desk.wrong(
                    need.line, f"module {key} needs {shown(wanted)}, which is no module", near(wanted, known)
                )
            elif lacking := [one for one in [platform] if one and one not in built[wanted]] or (
                [] if platform else [one for one in built[key] if one not in built[wanted]]
            ):
                desk.wrong(
                    need.line,
                    f"module {key} needs {wanted} on {lacking[0]}, which {wanted} is not built for",
                    f"add {lacking[0]} to the platforms of {wanted}, or write {{module: {wanted}, platform: NAME}}",
                )


def _texts(module: Item, key: str) -> list[str]:
    inner = module.value.get(key) if isinstance(module.value, dict) else None
    elements = inner.value if inner and isinstance(inner.value, list) else []
    return [element.value for element in elements if isinstance(element.value, str)]


def _asked(module: Item) -> list[tuple[Item, str, str]]:
    """Each need of a module as it is written: its item, the module's name and the platform, "" for the same."""
    inner = module.value.get("needs") if isinstance(module.value, dict) else None
    found = []
    for need in inner.value if inner and isinstance(inner.value, list) else []:
        parts = need.value if isinstance(need.value, dict) else {"module": need}
        wanted, platform = (parts[key].value if key in parts else "" for key in ("module", "platform"))
        if isinstance(wanted, str) and wanted and isinstance(platform, str):
            found.append((need, wanted, platform))
    return found
