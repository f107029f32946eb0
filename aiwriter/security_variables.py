"""Variables of the keyring, the audit record and the console; `aiwriter.env` has all of them."""

from __future__ import annotations

import ipaddress

from aiwriter.core.clamd import target
from aiwriter.variables import Variable

V = Variable


def networks_problem(values: list[str]) -> str:
    """What is wrong with a list of networks, or ""."""
    for value in values:
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError:
            return f"contains '{value}', which is not an address or network. Write for example 10.0.0.0/8."
    return ""


def clamd_problem(value: str) -> str:
    """What is wrong with an address of clamd, or ""."""
    if value:
        try:
            target(value)
        except ValueError as error:
            return f"is '{value}', which is no address of clamd: {error}"
    return ""


SECURITY: tuple[Variable, ...] = (
    V(
        name="AIWRITER_CLAMD",
        type="str",
        default="",
        help="Where a ClamAV daemon looks for malware in what people put in: tcp://HOST:3310 or unix:/PATH. Empty: nowhere.",
        check=clamd_problem,
    ),
    V(
        name="AIWRITER_CLAMD_WHEN_DOWN",
        type="choice",
        default="refuse",
        choices=("refuse", "accept"),
        help="What becomes of a file that could not be inspected.",
    ),
    V(
        name="AIWRITER_CLAMD_SECONDS",
        type="int",
        default=60,
        minimum=1,
        maximum=600,
        help="How long the inspection of one file may take.",
    ),
    V(
        name="AIWRITER_CLAMD_SIGNATURE_DAYS",
        type="int",
        default=3,
        minimum=1,
        maximum=60,
        help="The health check warns when ClamAV's signatures are older.",
    ),
    V(
        name="AIWRITER_KEYRING",
        type="path",
        default="",
        help="File that holds the keyring; a mounted Docker or Kubernetes secret works. Empty: DATA_DIR/keys/keyring.json.",
    ),
    V(
        name="AIWRITER_KEY_PROVIDER",
        type="choice",
        default="file",
        choices=("file", "vault", "kms"),
        help="Who wraps the keys of a keyring that is made: nobody, OpenBao or Vault (transit), AWS KMS.",
    ),
    V(
        name="AIWRITER_VAULT_URL",
        type="url",
        default="",
        help="Address of OpenBao or Vault, for the key provider vault.",
    ),
    V(name="AIWRITER_VAULT_TOKEN", type="str", default="", secret=True, help="Token for OpenBao or Vault."),
    V(name="AIWRITER_VAULT_MOUNT", type="str", default="transit", help="Where its transit engine is mounted."),
    V(name="AIWRITER_VAULT_KEY", type="str", default="aiwriter", help="Name of the transit key that wraps ours."),
    V(
        name="AIWRITER_KMS_KEY",
        type="str",
        default="",
        help="Id, ARN or alias of the AWS KMS key that wraps ours, for the key provider kms.",
    ),
    V(name="AIWRITER_KMS_REGION", type="str", default="us-east-1", help="Region of the KMS key."),
    V(name="AIWRITER_KMS_URL", type="url", default="", help="Another address of KMS. Empty: AWS's own for the region."),
    V(name="AIWRITER_KMS_ACCESS_KEY", type="str", default="", secret=True, help="Access key id for KMS."),
    V(name="AIWRITER_KMS_SECRET_KEY", type="str", default="", secret=True, help="Secret access key for KMS."),
    V(
        name="AIWRITER_CONSOLE_NETWORKS",
        type="list",
        default=[],
        help="Networks from which the console can be reached; from others it does not exist. Empty: from everywhere.",
        check=networks_problem,
    ),
    V(
        name="AIWRITER_AUDIT_HOT_DAYS",
        type="int",
        default=400,
        minimum=30,
        maximum=36500,
        help="Days that audit events stay in the database before they are moved into sealed archive segments.",
    ),
    V(
        name="AIWRITER_RELEASE_FILES",
        type="path",
        default="",
        help="Folder with what the release's pipeline made: tests*.xml, proofs.json, asvs.csv. Empty: deploy/release beside the code.",
    ),
)
