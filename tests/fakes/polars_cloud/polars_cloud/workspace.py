import uuid

from polars_cloud import constants, exceptions

_KNOWN = {"analytics": uuid.UUID(int=1), "other": uuid.UUID(int=2)}


class Workspace:
    def __init__(self, name=None, *, id=None, organization=None):  # noqa: A002
        constants.API_CLIENT.require_login()
        name = name or "analytics"
        if name not in _KNOWN:
            raise exceptions.WorkspaceResolveError(f"workspace {name} does not exist")
        self.id = id or _KNOWN[name]
        self.name = name
