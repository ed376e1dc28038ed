"""Amazon Web Services: secrets of Secrets Manager. Amazon's clients are imported when a secret is read."""

from ai.starlake.aws.secrets_manager import AwsSecret

__all__ = ["AwsSecret"]
