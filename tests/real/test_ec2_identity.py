"""Identity documents with signatures as Amazon makes them, by openssl; and all that is forged."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.model.pool_ec2 import Ec2 as Said
from penstock.model.rules import Pool
from penstock.providers.ec2 import identity
from penstock.providers.ec2.identity import certificates, unsigned
from penstock.providers.ec2.instances import Ec2

pytestmark = pytest.mark.needs("openssl")
DOCUMENT = '{\n  "instanceId" : "i-1",\n  "region" : "eu-west-1"\n}'
REGION = "eu-west-1"
NOT_AMAZON = "its identity document was not signed by Amazon"


@dataclass
class Signer:
    """Somebody with a key, whose certificate says that it is Amazon: names prove nothing."""

    folder: Path
    name: str
    serial: int = 7

    def __post_init__(self) -> None:
        self.key, self.file = self.folder / f"{self.name}.key", self.folder / f"{self.name}.pem"
        who = "/C=US/ST=Washington/L=Seattle/O=Amazon Web Services LLC"
        words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", who]
        self.openssl(
            *words, "-set_serial", str(self.serial), "-keyout", str(self.key), "-out", str(self.file)
        )

    def openssl(self, *words: str, given: str = "") -> str:
        done = subprocess.run(["openssl", *words], input=given, capture_output=True, text=True, check=True)
        return done.stdout

    def sign(self, document: str, *more: str) -> str:
        """As the metadata service answers: without head and foot."""
        words = ["smime", "-sign", "-binary", "-signer", str(self.file), "-inkey", str(self.key)]
        found = self.openssl(*words, "-md", "sha256", "-outform", "PEM", *more, given=document)
        return "\n".join(found.strip().splitlines()[1:-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signers")


@pytest.fixture(scope="module")
def amazon(folder: Path) -> Signer:
    return Signer(folder, "eu-west-1")


@pytest.fixture(scope="module")
def thief(folder: Path) -> Signer:
    return Signer(folder, "thief", 8)


class TestSignatures:
    def test_what_amazon_signed_is_signed(self, amazon: Signer, thief: Signer) -> None:
        trusted = [amazon.file.read_text()]
        for more in (["-nodetach"], ["-nodetach", "-nocerts"]):
            assert unsigned(DOCUMENT, amazon.sign(DOCUMENT, *more), trusted) == ""
        namesake = Signer(amazon.folder, "us-east-1", amazon.serial)
        assert (
            unsigned(DOCUMENT, amazon.sign(DOCUMENT, "-nodetach"), [namesake.file.read_text(), *trusted])
            == ""
        )
        both = [thief.file.read_text(), amazon.file.read_text()]
        assert unsigned(DOCUMENT, amazon.sign(DOCUMENT, "-nodetach"), both) == ""

    def test_a_message_that_brings_its_own_certificate_is_not(self, amazon: Signer, thief: Signer) -> None:
        """The words of Amazon's own instructions take it."""
        forged = thief.sign(DOCUMENT, "-nodetach")
        words = [word for word in identity.WORDS if word != "-nointern"]
        message = f"{identity._HEAD}\n{forged}\n{identity._FOOT}\n"
        taken = subprocess.run([*words, "-certfile", str(amazon.file)], input=message.encode(), check=False,
                               capture_output=True)  # fmt: skip
        assert taken.returncode == 0
        assert unsigned(DOCUMENT, forged, [amazon.file.read_text()]) == NOT_AMAZON

    def test_another_document_than_the_one_that_was_signed_is_not(self, amazon: Signer) -> None:
        other = DOCUMENT.replace("i-1", "i-2")
        why = "another identity document was signed than it shows"
        trusted = [amazon.file.read_text()]
        assert unsigned(other, amazon.sign(DOCUMENT, "-nodetach"), trusted) == why
        assert unsigned(DOCUMENT + "\n", amazon.sign(DOCUMENT, "-nodetach"), trusted) == why

    def test_what_says_less_than_everything_is_not(self, amazon: Signer, thief: Signer) -> None:
        trusted = [amazon.file.read_text()]
        nobody = amazon.openssl("crl2pkcs7", "-nocrl", "-certfile", str(amazon.file))
        both = ["-nodetach", "-signer", str(thief.file), "-inkey", str(thief.key)]
        for signature in (
            amazon.sign(DOCUMENT),
            "\n".join(nobody.splitlines()[1:-1]),
            amazon.sign(DOCUMENT, *both),
        ):
            assert unsigned(DOCUMENT, signature, trusted) == NOT_AMAZON

    @pytest.mark.parametrize(
        "change", [lambda one: one[:-40], lambda one: one[:-200] + "AAAA" + one[-196:], lambda one: "MIAG"]
    )
    def test_what_is_damaged_is_not(self, amazon: Signer, change) -> None:  # type: ignore[no-untyped-def]
        signature = change(amazon.sign(DOCUMENT, "-nodetach"))
        assert unsigned(DOCUMENT, signature, [amazon.file.read_text()])

    @pytest.mark.parametrize(
        "signature", ["-----BEGIN CERTIFICATE-----", "é", "A" * 70_000, "../../etc/passwd;"]
    )
    def test_what_is_no_signature_never_reaches_openssl(
        self, signature: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(subprocess, "run", None)
        assert unsigned(DOCUMENT, signature, ["c"]) == "the signature of its identity document is none"
        assert unsigned(DOCUMENT, " \n", ["c"]).startswith("its identity document is not signed")

    def test_who_does_not_come_to_an_end_has_signed_nothing(
        self, amazon: Signer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(identity, "WORDS", ("sh", "-c", "cat; exec sleep 60"))
        monkeypatch.setattr(identity, "PATIENCE_S", 0.1)
        assert unsigned(DOCUMENT, "MIAG", ["c"]) == NOT_AMAZON

    def test_certificates_are_of_a_file_or_of_the_region_in_a_folder(
        self, folder: Path, amazon: Signer
    ) -> None:
        assert certificates(folder, REGION) == certificates(amazon.file, "us-east-1")
        assert len(certificates(folder, REGION)) == 1
        with pytest.raises(ValueError, match=r"us-west-2\.pem cannot be read: No such file"):
            certificates(folder, "us-west-2")
        with pytest.raises(ValueError, match=r"eu-west-1\.key has no certificate: put Amazon's RSA-2048 one"):
            certificates(folder / "eu-west-1.key", REGION)


def provider(place: str) -> Ec2:
    """One that nothing but signatures is asked of."""
    said = Said(region=REGION, types=(), subnets=(), identity_certificates=place)
    return Ec2(Pool(name="burst", provider="ec2", platforms=(), ec2=said), lambda: 0)


class TestProvider:
    def test_signatures_are_looked_at_where_there_are_certificates(
        self, amazon: Signer, folder: Path
    ) -> None:
        assert provider("").unsigned(DOCUMENT, "") == ""
        strict = provider(str(folder))
        assert strict.unsigned(DOCUMENT, "").startswith("its identity document is not signed")
        assert strict.unsigned(DOCUMENT, amazon.sign(DOCUMENT, "-nodetach")) == ""

    def test_where_certificates_cannot_be_used_nobody_is_believed(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nowhere = provider(str(folder / "nowhere"))
        assert "no identity document can be verified: " in nowhere.unsigned(DOCUMENT, "MIAG")
        monkeypatch.setattr(identity, "WORDS", ("no-such-program",))
        assert "no-such-program" in provider(str(folder)).unsigned(DOCUMENT, "MIAG")
