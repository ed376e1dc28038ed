"""The secrets of Secret Manager, and their versions."""

from __future__ import annotations

from starlake_gcp_emulator.errors import Code, RpcError, not_found


class Secrets:
    """The secrets, each with its versions in order."""

    def __init__(self) -> None:
        self._versions: dict[str, list[bytes]] = {}

    def add(self, name: str, value: str) -> None:
        """Add a version to a secret.

        Args:
            name: ``projects/P/secrets/S``.
            value: The value of the version.
        """
        self._versions.setdefault(name, []).append(value.encode())

    def read(self, name: str) -> tuple[str, bytes]:
        """Return the full name and the content of a version.

        Args:
            name: ``projects/P/secrets/S/versions/V``; V may be ``latest``.

        Raises:
            RpcError: If there is no such version.
        """
        secret, _, version = name.partition("/versions/")
        versions = self._versions.get(secret)
        if not versions:
            raise not_found(f"Secret [{secret}] not found or has no versions.")
        if version != "latest" and not version.isdigit():
            raise RpcError(Code.INVALID_ARGUMENT, f"Invalid resource field value in the request: {name}")
        number = len(versions) if version == "latest" else int(version)
        if not 1 <= number <= len(versions):
            raise not_found(f"Secret Version [{name}] not found.")
        return f"{secret}/versions/{number}", versions[number - 1]
