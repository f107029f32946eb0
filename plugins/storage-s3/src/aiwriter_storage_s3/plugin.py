"""The descriptor: what the portal shows before anything else of this package is imported."""

from __future__ import annotations

from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor

_PLACE = (
    ConfigField(name="bucket", type="str", label="Bucket", help="Its name, such as my-texts. It has to exist already."),
    ConfigField(
        name="prefix",
        type="str",
        label="Prefix",
        help="Folder within the bucket, such as portal/files; empty takes the whole bucket.",
        required=False,
    ),
    ConfigField(
        name="region",
        type="str",
        label="Region",
        help="Such as eu-central-1. Servers of your own mostly take any.",
        required=False,
        default="us-east-1",
    ),
    ConfigField(
        name="endpoint_url",
        type="url",
        label="Address",
        help="Empty for Amazon; otherwise that of the server, such as https://s3.example.org or http://127.0.0.1:9000.",
        required=False,
    ),
    ConfigField(
        name="addressing",
        type="choice",
        label="Addressing",
        help="auto suits Amazon; path suits most servers of your own, which have no name for each bucket.",
        default="auto",
        choices=("auto", "path", "virtual"),
    ),
)
_ACCESS = (
    ConfigField(
        name="access_key_id",
        type="secret",
        label="Access key id",
        help="Leave both keys empty to use the role of the machine (EC2, ECS, EKS).",
        required=False,
        group="Access",
    ),
    ConfigField(name="secret_access_key", type="secret", label="Secret access key", required=False, group="Access"),
    ConfigField(
        name="session_token",
        type="secret",
        label="Session token",
        help="Only for temporary credentials.",
        required=False,
        group="Access",
    ),
)
_KEEPING = (
    ConfigField(
        name="encryption",
        type="choice",
        label="Encryption by the server",
        help="none leaves it to the bucket's own setting, which at Amazon always encrypts.",
        default="none",
        choices=("none", "AES256", "aws:kms"),
        group="Keeping",
    ),
    ConfigField(
        name="kms_key_id",
        type="str",
        label="KMS key",
        help="Id or ARN of the key for aws:kms; empty takes the account's own.",
        required=False,
        group="Keeping",
    ),
    ConfigField(
        name="lock_days",
        type="int",
        label="Locked for days",
        help="Days for which nobody can delete or change a stored file. The bucket must have object lock switched on.",
        default=0,
        minimum=0,
        maximum=3_650,
        required=False,
        group="Keeping",
    ),
    ConfigField(
        name="lock_mode",
        type="choice",
        label="Kind of lock",
        help="GOVERNANCE lets accounts with a right of their own lift a lock; COMPLIANCE lets nobody, not even you.",
        default="GOVERNANCE",
        choices=("GOVERNANCE", "COMPLIANCE"),
        group="Keeping",
    ),
    ConfigField(
        name="link_seconds",
        type="int",
        label="Life of a link",
        help="Seconds for which a signed link works.",
        default=300,
        minimum=1,
        maximum=604_800,
        group="Keeping",
    ),
    ConfigField(
        name="conditional_writes",
        type="bool",
        label="Conditional writes",
        help="Lets the server itself refuse to replace a file. Switch it off for servers that do not know If-None-Match.",
        default=True,
        required=False,
        group="Keeping",
    ),
)

descriptor = Descriptor(
    key="s3",
    kind="storage",
    label="S3 bucket",
    contract="1.0",
    target="aiwriter_storage_s3.backend:S3Backend",
    config=ConfigSchema(fields=(*_PLACE, *_ACCESS, *_KEEPING)),
    capabilities=frozenset({"temporary_urls", "listing", "encryption_at_rest"}),
    summary="A bucket at Amazon S3, MinIO, SeaweedFS, Garage, Ceph, R2 or any other server that speaks S3.",
)
