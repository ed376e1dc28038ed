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
        secret: Its name or its ARN.
        field: The field to take, if the secret is a JSON object, as those of databases are.
        region: The region, such as ``eu-west-1``; by default that of the environment or the profile.
        stage: The stage of the version: ``AWSCURRENT``, ``AWSPREVIOUS`` or one of your own.
        endpoint: The address of the service, if it is not Amazon's own.
    """

    secret: str
    field: str | None = None
    region: str | None = None
    stage: str = "AWSCURRENT"
    endpoint: str | None = None

    def resolve(self) -> str:
        """Fetch the secret.

        Raises:
            StarlakeError: If it cannot be read.
        """
        try:
            import boto3
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as error:
            raise MissingExtraError("boto3", "secrets-aws", str(error)) from None
        try:
            client = boto3.client("secretsmanager", region_name=self.region, endpoint_url=self.endpoint)
            answer = client.get_secret_value(SecretId=self.secret, VersionStage=self.stage)
        except (BotoCoreError, ClientError) as error:
            raise StarlakeError(
                f"the secret {self.secret} of AWS Secrets Manager cannot be read",
                cause=str(error),
                fix=_fix(error),
            ) from None
        return field_of(_string(answer, self.secret), self.field, f"the secret {self.secret} of AWS Secrets Manager")


def _string(answer: Any, name: str) -> str:
    if "SecretString" in answer:
        return str(answer["SecretString"])
    try:
        return bytes(answer["SecretBinary"]).decode("utf-8")
    except UnicodeDecodeError:
        raise StarlakeError(
            f"the secret {name} of AWS Secrets Manager is not a string", cause="it is binary, and not UTF-8"
        ) from None


def _fix(error: Exception) -> str:
    response = getattr(error, "response", {})
    code = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
    if code == "ResourceNotFoundException":
        return "correct the name of the secret, its region or its stage"
    if code == "AccessDeniedException":
        return "grant secretsmanager:GetSecretValue on the secret to the identity that runs the step"
    return "see that the process has credentials and a region of AWS, such as AWS_PROFILE or AWS_DEFAULT_REGION"
