"""Secrets of AWS Secrets Manager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.extras import MissingExtraError
from ai.starlake.common.secrets import field_of


@dataclass(frozen=True)
class AwsSecret:
    """A secret of AWS Secrets Manager, fetched with the credentials that boto3 finds.

    Args:
        secret: Name or ARN of the secret.
        field: The field to use if the secret is a JSON object, as secrets of databases are.
        region: The region, such as ``eu-west-1``; by default that of the environment or the profile.
        stage: The stage of the version: ``AWSCURRENT``, ``AWSPREVIOUS`` or one of your own.
        endpoint: URL of the service; by default that of Amazon.
    """

    secret: str
    field: str | None = None
    region: str | None = None
    stage: str = "AWSCURRENT"
    endpoint: str | None = None

    def resolve(self) -> str:
        """Fetch the secret.

        Returns:
            The value, which is never logged.

        Raises:
            MissingExtraError: If boto3 is not installed.
            StarlakeError: If it cannot be read.
        """
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as error:
            raise MissingExtraError("boto3", "secrets-aws", str(error)) from None
        patience = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
        try:
            session = boto3.session.Session()  # the default session of `boto3.client` is not thread-safe
            client = session.client(
                "secretsmanager", region_name=self.region, endpoint_url=self.endpoint, config=patience
            )
            answer = client.get_secret_value(SecretId=self.secret, VersionStage=self.stage)
        except (BotoCoreError, ClientError) as error:
            raise StarlakeError(f"{self._label} cannot be read", cause=str(error), fix=_fix(error)) from None
        return field_of(_string(answer, self._label), self.field, self._label)

    @property
    def _label(self) -> str:
        details = ", ".join(filter(None, (self.region, self.stage if self.stage != "AWSCURRENT" else None)))
        return f"the secret {self.secret} of AWS Secrets Manager{details and f' ({details})'}"


def _string(answer: Any, label: str) -> str:
    if "SecretString" in answer:
        return str(answer["SecretString"])
    try:
        return bytes(answer["SecretBinary"]).decode("utf-8")
    except UnicodeDecodeError:
        raise StarlakeError(
            f"{label} is not a string", cause="it is binary, and not UTF-8", fix="store it as SecretString"
        ) from None


_FIXES = {
    "ResourceNotFoundException": "correct the name of the secret, its region or its stage",
    "AccessDeniedException": "grant secretsmanager:GetSecretValue, and kms:Decrypt where a key of your own encrypts it,"
    " to the identity that runs the step",
    "DecryptionFailure": "grant kms:Decrypt on the key of the secret to the identity that runs the step",
    "ExpiredTokenException": "log in to AWS again, for example by `aws sso login`",
    "UnrecognizedClientException": "correct the credentials of AWS that the process finds",
}
_CREDENTIALS = "see that the process has credentials and a region of AWS, such as AWS_PROFILE or AWS_DEFAULT_REGION"


def _fix(error: Exception) -> str:
    response = getattr(error, "response", {})
    code = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
    return _FIXES.get(code, _CREDENTIALS)
