"""Compute contexts by name, for user code: each is started for a block, and stopped at its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from ai.starlake.common.errors import StarlakeError
from ai.starlake.job.polars_profile import PolarsProfile
from ai.starlake.polars.cloud_context import CloudContext
from ai.starlake.polars.polars_cloud_client import OnSecrets, PolarsCloudClient

logger = logging.getLogger(__name__)


class NamedContexts:
    """Starts contexts by the names of their sizes.

    Args:
        owner: Description of the caller, for errors.
        profiles: Sizes by name: fields of the section `polars` of a compute profile.
        client_id: A reference to the service account; empty for the variable POLARS_CLOUD_CLIENT_ID.
        client_secret: A reference to its secret; empty for the variable POLARS_CLOUD_CLIENT_SECRET.
    """

    def __init__(
        self, owner: str, profiles: Mapping[str, Mapping[str, Any]], client_id: Any, client_secret: Any
    ) -> None:
        self._owner = owner
        self._profiles = profiles
        account = {"client_id": client_id, "client_secret": client_secret}
        self._account = {key: value for key, value in account.items() if value}

    @contextmanager
    def context(
        self,
        profile: str,
        run_id: str,
        tell: Callable[[str], None] = logger.info,
        on_secrets: OnSecrets | None = None,
    ) -> Iterator[Any]:
        """Start a context for a block, and always stop it at the end of the block.

        Args:
            profile: Name of the profile.
            run_id: The run of the context.
            tell: Receives progress messages.
            on_secrets: Called with the secrets before they are used, for orchestrators that mask their own logs.

        Yields:
            The `polars_cloud.ComputeContext`, for `LazyFrame.remote`.

        Raises:
            StarlakeError: If there is no such profile, if the service account is refused, or if the machines do not
                start.
        """
        client = PolarsCloudClient.logged_in(self.profile(profile).environment(), on_secrets)
        with CloudContext(client, run_id, tell=tell) as started:
            yield started

    def profile(self, name: str) -> PolarsProfile:
        """Return a profile, with the service account.

        Raises:
            StarlakeError: If it does not exist or is invalid.
        """
        if name not in self._profiles:
            raise StarlakeError(
                f"{self._owner} has no profile {name!r}", fix=f"use {', '.join(self._profiles) or 'profiles={...}'}"
            )
        try:
            return PolarsProfile.model_validate({**self._account, **self._profiles[name]})
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
                for each in error.errors(include_url=False, include_input=False)
            )
            raise StarlakeError(f"the profile {name!r} of {self._owner} cannot be used", cause=problems) from None

    def all_profiles(self) -> list[PolarsProfile]:
        """Return all profiles, with the service account.

        Raises:
            StarlakeError: If one of them is invalid.
        """
        return [self.profile(name) for name in self._profiles]
