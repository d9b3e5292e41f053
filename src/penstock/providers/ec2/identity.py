"""Whether an instance's identity document was signed by Amazon: its RSA-2048 signature against certificates that a person gave.

The signature is a PKCS #7 message that holds the document. openssl verifies it, as Amazon documents ("Use the RSA-2048
signature to verify the instance identity document"), but for one word: with `-nointern` only the given certificates may have
signed it. Without that word a message that brings a certificate of its own is "verified", too.
"""

import re
import subprocess
import tempfile
from pathlib import Path

WORDS = ("openssl", "smime", "-verify", "-binary", "-inform", "PEM", "-nointern", "-noverify")
"""`-noverify`: nobody vouches for the certificates but who gave them; Amazon's are signed by themselves."""
PATIENCE_S = 2.0
MOST_BYTES = 1 << 16
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
_HEAD, _FOOT = "-----BEGIN PKCS7-----", "-----END PKCS7-----"


def certificates(place: Path, region: str) -> list[str]:
    """Those of a region: all of a file, or of the file REGION.pem of a folder. Raises ValueError, which names the place."""
    file = place / f"{region}.pem" if place.is_dir() else place
    try:
        found = _CERTIFICATE.findall(file.read_text(errors="replace"))
    except OSError as problem:
        raise ValueError(f"{file} cannot be read: {problem.strerror}") from problem
    if not found:
        raise ValueError(f"{file} has no certificate: put Amazon's RSA-2048 one of {region} there")
    return list(found)


def unsigned(document: str, signature: str, trusted: list[str]) -> str:
    """Why this document was not signed with one of these certificates; "" where it was."""
    body = signature.replace(_HEAD, "").replace(_FOOT, "").strip()
    if not body:
        return "its identity document is not signed: it is of an older agent, or nothing answered it"
    if not _BASE64.fullmatch(body) or len(body) > MOST_BYTES:
        return "the signature of its identity document is none"
    lines = re.sub(r"\s", "", body)
    message = "\n".join([_HEAD, *(lines[at : at + 64] for at in range(0, len(lines), 64)), _FOOT, ""])
    for certificate in trusted:
        content = _content(message, certificate)
        if content is not None:
            return (
                "" if content == document.encode() else "another identity document was signed than it shows"
            )
    return "its identity document was not signed by Amazon"


def _content(message: str, certificate: str) -> bytes | None:
    """What was signed with this certificate's key; None where nothing was. Raises OSError where there is no openssl."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(certificate)
        file.flush()
        try:
            done = subprocess.run(
                [*WORDS, "-certfile", file.name],
                input=message.encode(),
                capture_output=True,
                timeout=PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    return done.stdout if done.returncode == 0 else None
