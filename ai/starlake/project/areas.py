"""The folders that files pass through on their way into tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ai.starlake.common.storage import Files
from ai.starlake.project.models import Area
from ai.starlake.project.paths import join

FOLDER_VARIABLES = ("SL_ROOT", "SL_DATASETS", "SL_METADATA", "SL_INCOMING")
"""Variables whose values are folders of the project."""


@dataclass(frozen=True)
class Areas:
    """Folders of the data and the metadata of a project; see Starlake's `DatasetArea.scala`.

    Attributes:
        root: Folder or URI of the project.
        datasets: The folder of the data.
        metadata: The folder of the metadata.
        names: The names, absolute paths or URIs of the areas.
        files: The file layer.
    """

    root: str
    datasets: str
    metadata: str
    names: Area
    files: Files = field(default_factory=Files, repr=False, compare=False)

    def address(self, area: str, domain: str | None = None) -> str:
        """Return the path or URI of an area.

        Args:
            area: ``incoming``, ``stage``, ``ingesting``, ``archive``, ``unresolved`` or ``replay``.
            domain: The domain, for its part of the area; None for the whole area.

        Returns:
            ``<area>/<domain>`` if the area is an absolute path or a URI, else ``<datasets>/<area>/<domain>``.
        """
        folder = join(self.datasets, str(getattr(self.names, area)))
        return join(folder, domain) if domain else folder

    def path(self, area: str, domain: str | None = None) -> Path:
        """Return the path object of `address`.

        Args:
            area: ``incoming``, ``stage``, ``ingesting``, ``archive``, ``unresolved`` or ``replay``.
            domain: Name of a domain; None for the area itself.

        Raises:
            StarlakeError: If the area is at a URI that is invalid, or whose scheme has no driver.
        """
        return self.files.path(self.address(area, domain))

    def incoming(self, domain: str) -> Path:
        """Return the default landing area of a domain; ``stage`` takes files from the domain's own ``directory``.

        Args:
            domain: Name of the domain.
        """
        return self.path("incoming", domain)

    def stage(self, domain: str) -> Path:
        """Return the folder of files that wait to be loaded.

        Args:
            domain: Name of the domain.
        """
        return self.path("stage", domain)

    def ingesting(self, domain: str) -> Path:
        """Return the folder of files that are being loaded.

        Args:
            domain: Name of the domain.
        """
        return self.path("ingesting", domain)

    def archive(self, domain: str) -> Path:
        """Return the folder of loaded files.

        Args:
            domain: Name of the domain.
        """
        return self.path("archive", domain)

    def unresolved(self, domain: str) -> Path:
        """Return the folder of files that match no table.

        Args:
            domain: Name of the domain.
        """
        return self.path("unresolved", domain)

    def replay(self, domain: str) -> Path:
        """Return the folder of rejected rows in the format of their file.

        Args:
            domain: Name of the domain.
        """
        return self.path("replay", domain)

    def variables(self) -> Mapping[str, str]:
        """Return the variables with these folders, which override the env files."""
        folders = (self.root, self.datasets, self.metadata, self.address("incoming"))
        return dict(zip(FOLDER_VARIABLES, folders, strict=True))
