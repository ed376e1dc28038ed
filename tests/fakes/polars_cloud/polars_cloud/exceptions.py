class WorkspaceResolveError(Exception):
    pass
