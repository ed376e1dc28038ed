"""Files on this machine or in object stores."""

from ai.starlake.common.storage.file_layer import Files, Storage
from ai.starlake.common.storage.location import ListedFile, Location, local_path

__all__ = ["Files", "ListedFile", "Location", "Storage", "local_path"]
