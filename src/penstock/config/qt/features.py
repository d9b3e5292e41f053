"""Features of a configuration: those that decide what is planned, and those that only change how a job runs."""

from penstock.config.qt.machines import VM_SIZE

TEST_ONLY = "TestOnly"
NO_TESTS = ("DoNotRunTests", "DisableTests")
INSIGNIFICANT = "Insignificant"
INSIGNIFICANT_TESTS = "InsignificantTests"

PLANNING = {
    "Disable": "the configuration is switched off: accept_configuration of every module refuses it",
    TEST_ONLY: "nothing is built; tests run on what the platform dependency built",
    "DoNotRunTests": "builds only; other configurations test what was built",
    "DisableTests": "tests are neither built nor run",
    "DoNotRunTestsButCreateTestWorkItem": "a test job is there though it does not run the module's own tests",
    INSIGNIFICANT: "a failure does not fail the integration",
    INSIGNIFICANT_TESTS: "a failed test does not fail the integration",
}
"""What decides which jobs there are, and whether they count. VMSizeN decides their size."""

RECIPE = {
    "AndroidTestRun": "tests run in an emulator",
    "BuildTestsInTest": "the test job builds the tests, too",
    "DebianPackaging": "builds Debian packages",
    "DebugAndRelease": "builds twice in one job",
    "DoNotUploadTests": "built tests are not kept",
    "Documentation": "builds the documentation",
    "GenerateSBOM": "writes a bill of materials",
    "InstallQt5Dependencies": "installs packages first",
    "LicenseCheck": "checks licences",
    "LicenseCheckV2": "checks licences",
    "MinimalStaticTests": "builds a subset of the tests",
    "Packaging": "what is built is packaged",
    "RunDependencyTests": "runs the tests of what the module needs, in the same job",
    "Sccache": "compiles through a cache",
    "StandaloneExamples": "builds the examples by themselves",
    "TargetBuildOnly": "no host build in this job: the platform dependency gives it",
    "TestDocs": "checks the documentation",
    "UseAddressSanitizer": "compiles with AddressSanitizer",
    "UseConfigure": "calls configure in place of CMake",
    "VerifySBOM": "checks the bill of materials",
    "WarningsAreErrors": "compiles with -Werror",
}
"""What changes how a job runs, not which jobs there are; the meanings are inferred from the names."""


def is_known(feature: str) -> bool:
    """True for a feature that some rule here is about."""
    return feature in PLANNING or feature in RECIPE or VM_SIZE.fullmatch(feature) is not None


def builds(features: tuple[str, ...]) -> bool:
    """True when a configuration with these features builds modules itself."""
    return TEST_ONLY not in features


def tests(features: tuple[str, ...]) -> bool:
    """True when a configuration with these features has test jobs."""
    return not any(feature in features for feature in NO_TESTS)
