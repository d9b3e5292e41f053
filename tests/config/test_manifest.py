""".penstock.yml: what is read, and every mistake by line with what to write instead."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.config.manifest import FIELDS, read_manifest
from penstock.config.mistakes import Mistakes
from penstock.model.manifest import AskedTest, Manifest, ModuleAsk, Need, SourceAsk
from penstock.model.units import Size

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "penstock-yml.md"
HEAD = "version: 1\nmodules:\n"


def read(text: str | bytes) -> Manifest:
    return read_manifest(text if isinstance(text, bytes) else text.encode(), "m")


def module(lines: str) -> ModuleAsk:
    """The one module of a manifest, its fields as YAML flow."""
    return read(f"{HEAD}  a: {{platforms: [p], build: [make], {lines}}}\n").modules[0]


def mistakes(text: str | bytes) -> list[str]:
    with pytest.raises(Mistakes) as told:
        read(text)
    lines = str(told.value).splitlines()
    assert len(lines) == len(told.value.mistakes)
    return [line.removeprefix("m:") for line in lines]


def told_of(text: bytes) -> list[str]:
    """Each mistake of a text; none when it is read."""
    try:
        read(text)
    except Mistakes as told:
        return [str(mistake) for mistake in told.mistakes]
    return []


def test_the_example_of_the_reference_is_read() -> None:
    found = re.search(r"```yaml\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.S)
    assert found
    zlib, libpng = read(found[1]).modules
    assert (zlib.name, zlib.line, zlib.size, zlib.test, zlib.timeout_ms) == (
        "zlib",
        3,
        Size(),
        None,
        1_800_000,
    )
    assert zlib.source == SourceAsk(git="https://example.org/zlib.git", ref="v1.3")
    assert libpng.needs == (Need("zlib"),)
    assert libpng.size == Size(4, 4096)
    assert libpng.test == AskedTest(run=("make check",), start="build", size=Size(4, 512), timeout_ms=600_000)
    assert libpng.artifacts == ("$DESTDIR/**",)


def test_short_and_long_forms() -> None:
    assert module("test: [make check]").test == module("test: {run: [make check]}").test
    assert module("source: lib/png/").source == SourceAsk(path="lib/png")
    assert module("source: {git: 'git@host:a/b', path: ./c}").source == SourceAsk(
        git="git@host:a/b", path="c"
    )
    assert module("size: {memory_mb: 5}").size == Size(1, 5)
    assert module("network: none, class: try, trust: untrusted, retry: never").klass == "try"
    assert module("network: full, reuse_for: 1d").reuse_for_ms == 86_400_000
    need = "needs: [{module: b, platform: q}]}\n  b: {platforms: [q], build: [x]"
    assert module(need).needs == (Need("b", "q"),)


def test_words_are_text_as_in_yaml_1_2() -> None:
    commands = "[yes, 'no', 1:30, \"3\", |x]".replace("|x", "x")
    assert module(f"fetch: {commands}").fetch == ("yes", "no", "1:30", "3", "x")


def test_anchors_and_merges() -> None:
    text = (
        HEAD
        + "  a: &a {platforms: [p], build: [x]}\n  b:\n    <<: *a\n    build: [y]\n  c: {<<: [*a, {test: [z]}]}\n"
    )
    _, b, c = read(text).modules
    assert (b.platforms, b.build, c.build) == (("p",), ("y",), ("x",))
    assert c.test is not None


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("buid: [x]", "3: module a has no `buid`; did you mean `build`?"),
        ("build: [x]", "3: `build` is there twice, first on line 3; write it once"),
        ("fetch: [3]", "element 1 of `fetch` of module a is not a command but 3; write it in quotes, \"3\""),
        ("fetch: [[x]]", "is not a command but a list; write each command on a line of its own, after -"),
        ("fetch: [{echo a: b}]", 'is not a command but a mapping; put a command that holds ": " in quotes'),
        ("fetch: [~]", "is not a command but nothing; write a command after -"),
        ("fetch: ['']", "is empty; write a command, or leave it out"),
        ('fetch: ["a\\0b"]', "is not text; write a command, or leave it out"),
        ("fetch: make", "`fetch` of module a is one text, not a list; write each command on a line of its own"),
        ("fetch: []", "`fetch` of module a is empty; write a list of commands"),
        ("test: make", "`test` of module a is one text, not a list"),
        ("test: {}", "`test` of module a lacks `run`"),
        ("test: {run: [x], from: tree}", "`from` of `test` of module a is 'tree'; write one of `build`, `source`"),
        ("timeout: 30", "`timeout` of module a is 30; write a duration such as \"90s\", \"30m\""),
        ("timeout: 30 minutes", "`timeout` of module a is '30 minutes'; write a duration"),
        ("size: {cores: 0}", "`cores` of `size` of module a is 0; write a whole number, 1 or more"),
        ("size: 3", "`size` of module a is 3; write a table of `cores`, `memory_mb`"),
        ("network: some", "`network` of module a is 'some'; write one of `full`, `none`"),
        ("class: security", "`class` of module a is 'security'; write one of"),
        ("needs: b", "`needs` of module a is 'b'; write a list of modules"),
        ("needs: [b]", "module a needs 'b', which is no module; write one of `a`"),
        ("needs: [{modul: a}]", "element 1 of `needs` of module a has no `modul`; did you mean `module`?"),
        ("needs: [{module: a, platform: q}]", "module a needs a on q, which a is not built for; add q to the platforms of a"),
        ("source: ../x", "the path '../x' leads out of the repository"),
        ("source: /x", "the path '/x' leads out of the repository"),
        ("source: .git/hooks", "the path '.git/hooks' is no folder of a repository"),
        ("source: https://h/x", "write source: {git: https://h/x}"),
        ("source: {git: 'ext::sh -c x'}", "the protocol 'ext' of 'ext::sh -c x' is not allowed; write https://HOST/PATH"),
        ("source: {git: 'http://h/x'}", "the protocol 'http' of 'http://h/x' is not allowed"),
        ("source: {git: '--upload-pack=x'}", "the repository '--upload-pack=x' begins like an option"),
        ("source: {git: 'ssh://-oProxyCommand=x/y'}", "is not a complete address"),
        ("source: {git: 'https://u:p@h/x'}", "the address of 'h/x' holds a password; keep it out of the address"),
        ("source: {git: 'h:x'}", "is neither a URL nor a folder"),
        ("source: {git: 'file://h/x'}", "names another machine's folder; write file:///FOLDER"),
        ('source: {git: "a\\tb"}', "holds a control character"),
        ("source: {git: ''}", "a repository without a name"),
        ("source: {git: 3}", "`git` of `source` of module a is 3; write text, in quotes"),
        ("source: {git: ../x, ref: -x}", "the ref '-x' begins with '-'; write a branch, a tag or a commit"),
        ("source: {git: ../x, ref: 'a b'}", "the ref 'a b' is not one"),
        ("source: {ref: x}", "`source` of module a has a `ref` but no `git`"),
        ("source: 3", "`source` of module a is 3; write a table of `git`, `ref`, `path`"),
        ("artifacts: [/etc/passwd]", "write a pattern below $DESTDIR/ or the working folder, without .."),
        ("artifacts: ['$DESTDIR/../x']", "write a pattern below $DESTDIR/"),
        ("artifacts: [3]", "element 1 of `artifacts` of module a is 3"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_module(fields: str, told: str) -> None:
    lines = mistakes(f"{HEAD}  a: {{platforms: [p], build: [make], {fields}}}\n")
    assert [line for line in lines if told in line], lines
    assert all(line.startswith("3: ") for line in lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1: is empty; write `version: 1` and `modules:`"),
        ("3", "1: .penstock.yml is 3; write a table of `version`, `modules`"),
        ("version: 1", "1: .penstock.yml lacks `modules`; write modules: what is built, by name"),
        ("version: 2\nmodules: {}", "1: `version` of .penstock.yml is 2; write version: 1"),
        ("version: 1\nmodules: {}", "2: `modules` of .penstock.yml is empty; write modules by their names"),
        ("version: 1\nmodules: [a]", "2: `modules` of .penstock.yml is a list; write modules by their names"),
        (HEAD + "  a:\n", "3: module a is nothing; write a table of `source`"),
        (HEAD + "  a/b: {platforms: [p], build: [x]}\n", "3: a module's name is 'a/b'; write at most 100 letters"),
        (HEAD + "  a: {platforms: [], build: [x]}\n", "3: `platforms` of module a is empty; write a list of platforms"),
        (HEAD + "  a: {build: [x]}\n", "3: module a lacks `platforms`"),
        (HEAD + "  a: {platforms: [p]}\n", "3: module a lacks `build`; write build: commands of the build"),
        (HEAD + "  a:\n    platforms: [p, q]\n    build: [x]\n    needs:\n    - b\n  b: {platforms: [p], build: [x]}\n",
         "7: module a needs b on q, which b is not built for; add q to the platforms of b, or write {module: b, platform"),
        ("a: [b", "1: not YAML: "),
        ("a: b\n\tc: d", "2: not YAML: found a tab character that violates indentation"),
        ("a: \x01", "1: not YAML: control characters are not allowed"),
        ("a: 1\n--- \nb: 2", "2: a second document begins; write one document, without ---"),
        ("? [a]\n: b", "1: a key is not plain text; write a word before the colon"),
        ("a: !!python/object:os.system x", "1: has the tag 'tag:yaml.org,2002:python/object:os.system'"),
        ("a: !mine x", "1: has the tag '!mine'; write plain text, numbers, lists and mappings"),
        ("a: &a [*a]", "1: `*a` names no anchor before it"),
        ("<<: 3", "1: `<<` takes a mapping or a list of them"),
        ("[" * 100_000, "1: goes deeper than 32 levels; write it flatter"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file(text: str, told: str) -> None:
    lines = mistakes(text)
    assert [line for line in lines if told in line], lines


def test_bytes_that_are_no_text() -> None:
    assert mistakes(b"a: 1\nb: \xff\n") == ["2: is not UTF-8; save the file as UTF-8"]
    assert mistakes(b"a" * ((1 << 20) + 1)) == [" is larger than 1 MiB; write less"]


def test_a_bomb_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 40)]
    assert mistakes("\n".join(lines)) == [
        "5: grows to more than 100000 values; write less, with fewer aliases"
    ]


def test_a_bomb_of_merges_is_refused() -> None:
    lines = ["a0: &a0 {" + ", ".join(f"k{n}: 1" for n in range(100)) + "}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 30)}]}}" for n in range(1, 40)]
    (line,) = mistakes("\n".join(lines))
    assert "grows to more than 100000 values" in line


def test_mistakes_of_all_modules_are_told_at_once() -> None:
    text = (
        HEAD
        + "  a: {platforms: [p], biuld: [x]}\n  b:\n    platforms: [p]\n    build:\n    - 3\n    timeout: 3\n"
    )
    assert [line.split(":")[0] for line in mistakes(text)] == ["3", "3", "7", "8"]


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda some: some.decode("latin-1")))
def test_nothing_but_mistakes_comes_of_any_text(text: str) -> None:
    assert all("\n" not in line for line in told_of(text.encode("utf-8", "surrogatepass")))


FLOW = st.recursive(
    st.sampled_from(["a", "p", "3", "~", "true", "make", ".", "-x", "''", "30m"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda some: "[" + ", ".join(some) + "]"),
        st.dictionaries(st.sampled_from([key.rpartition(".")[2] for key in FIELDS]), inner, max_size=3).map(
            lambda some: "{" + ", ".join(f"{key}: {value}" for key, value in some.items()) + "}"
        ),
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([key.split(".")[1] for key in FIELDS if key.count(".") == 1]), FLOW))
def test_nothing_but_mistakes_comes_of_any_fields(fields: dict[str, str]) -> None:
    inside = ", ".join(f"{key}: {value}" for key, value in fields.items())
    lines = told_of(f"{HEAD}  a: {{{inside}}}\n".encode())
    assert lines or read(f"{HEAD}  a: {{{inside}}}\n").modules[0].build
