"""Modules times configurations: which jobs an integration of all of Qt has, and what each needs."""

import msgspec

from penstock.config.qt import features as feature
from penstock.config.qt.conditions import holds
from penstock.config.qt.instructions import remains
from penstock.config.qt.machines import size_of
from penstock.config.qt.modules import Config, Module
from penstock.config.qt.platforms import Configuration
from penstock.model.job import Kind
from penstock.model.plan import Plan, PlannedJob, Unknown


class QtInput(msgspec.Struct, frozen=True, kw_only=True):
    """All that was read of a Qt tree.

    `modules` come each after what it needs, `configurations` each after those it depends on.
    """

    modules: tuple[Module, ...]
    configurations: tuple[Configuration, ...]
    unknown: tuple[Unknown, ...] = ()


def plan_qt(given: QtInput) -> Plan:
    """The jobs of an integration of all of Qt, parents before children. Pure; O(modules x configurations)."""
    planner = _Planner(given)
    for module in given.modules:
        for configuration in given.configurations:
            planner.consider(module, configuration)
    return Plan(tuple(planner.jobs), given.unknown + tuple(planner.notes))


class _Planner:
    """Collects jobs. `built` holds the ids of the builds so far: what is not there cannot be needed."""

    def __init__(self, given: QtInput) -> None:
        self.jobs: list[PlannedJob] = []
        self.notes: list[Unknown] = []
        self.built: set[str] = set()
        self._accepted: dict[tuple[int, str], bool] = {}

    def consider(self, module: Module, configuration: Configuration) -> None:
        """The build and the test of one module on one configuration, as far as there are such."""
        if not self._accepts(module.config, configuration):
            return
        hosts = [_id(module.name, "build", depends) for depends in configuration.depends]
        lost = [host for host in hosts if host not in self.built]
        if lost:
            self._note(module, f"{module.name} on {configuration.id}: {lost[0]} is not planned, nor is this")
            return
        tested = hosts
        if feature.builds(configuration.features):
            if not self._build(module, configuration, hosts):
                return
            tested = [_id(module.name, "build", configuration.id)]
        if feature.tests(configuration.features) and _has_tests(module.config, configuration):
            self._add("test", module, configuration, tested)

    def _accepts(self, config: Config, configuration: Configuration) -> bool:
        """accept_configuration; what cannot be decided is accepted."""
        key = (id(config), configuration.id)
        if key not in self._accepted:
            accept = config.accept
            self._accepted[key] = accept is None or holds(accept, configuration.facts) is not False
        return self._accepted[key]

    def _build(self, module: Module, configuration: Configuration, hosts: list[str]) -> bool:
        """Plan the build after the host's and those of what it needs; False when a required one is not planned."""
        needs = list(hosts)
        for name, required in module.needs:
            need = _id(name, "build", configuration.id)
            if need in self.built:
                needs.append(need)
            elif required:
                self._note(module, f"{module.name} on {configuration.id}: {need} is not planned, nor is this")
                return False
        self._add("build", module, configuration, needs)
        self.built.add(_id(module.name, "build", configuration.id))
        return True

    def _add(self, kind: Kind, module: Module, configuration: Configuration, needs: list[str]) -> None:
        self.jobs.append(
            PlannedJob(
                id=_id(module.name, kind, configuration.id),
                kind=kind,
                module=module.name,
                platform=configuration.id,
                needs=tuple(needs),
                size=size_of(kind, module.config.machine_type, configuration.least_cores),
                reason=_reason(kind, configuration),
            )
        )

    def _note(self, module: Module, what: str) -> None:
        self.notes.append(Unknown(file=module.file, line=module.line, what=what))


def _id(module: str, kind: Kind, configuration: str) -> str:
    return f"{module}:{kind}@{configuration}"


def _has_tests(config: Config, configuration: Configuration) -> bool:
    return config.tests is None or remains(config.tests, configuration.facts)


def _reason(kind: Kind, configuration: Configuration) -> str:
    """Why the job is there, in one sentence."""
    hosts = " and ".join(configuration.depends)
    if kind == "build":
        why = f"built with the host tools of {hosts}" if hosts else "the configuration accepts the module"
    elif feature.builds(configuration.features):
        why = "tests what was built on the same configuration"
    else:
        why = f"tests what was built on {hosts}" if hosts else "tests the source alone"
    insignificant = feature.INSIGNIFICANT in configuration.features
    if kind == "test":
        insignificant = insignificant or feature.INSIGNIFICANT_TESTS in configuration.features
    return why + ("; a failure does not fail the integration" if insignificant else "")
