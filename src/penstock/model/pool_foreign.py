"""Whose queue a pool of machines serves that run another system's agent (`[pool.serves]` in farm.toml)."""

import fnmatch

import msgspec

OURS = "penstock"
"""The agent that this project has itself: what pools and jobs name where they name no other."""


class Serves(msgspec.Struct, frozen=True, kw_only=True):
    """`url`: of the other system, as its REST interface has it. `platforms`: (pattern of a builder's name, platform), first
    match wins; what matches none is not ours. `names`: what its agents are called there, "%d" stands for 1, 2, ...;
    `secrets_file`: lines "NAME SECRET", what each agent logs in with. `master`: host:port that Buildbot's agents call.
    `token_file`: what our own calls log in with. `ca_file`: whom its certificate is signed by. `repositories`: projects
    of GitLab that are looked at."""

    url: str
    platforms: tuple[tuple[str, str], ...] = ()
    names: str = ""
    secrets_file: str = ""
    master: str = ""
    token_file: str = ""
    ca_file: str = ""
    repositories: tuple[str, ...] = ()

    def platform_of(self, builder: str, labels: tuple[str, ...] = ()) -> str:
        """What a builder's requests ask for, "" where they are not for machines of ours. A pattern "tag:..." is of labels."""
        said = (builder, *(f"tag:{label}" for label in labels))
        for pattern, platform in self.platforms:
            names = said[1:] if pattern.startswith("tag:") else said[:1]
            if any(fnmatch.fnmatchcase(name, pattern) for name in names):
                return platform
        return ""

    def name_of(self, number: int) -> str:
        """What the agent with this number is called, from 1."""
        return self.names.replace("%d", str(number))

    def is_name(self, name: str) -> bool:
        """Whether an agent of that name is one of ours."""
        before, _, after = self.names.partition("%d")
        middle = name[len(before) : len(name) - len(after)]
        return name.startswith(before) and name.endswith(after) and middle.isascii() and middle.isdigit()
