"""``metadata/refs.sl.yml``: aliases of tables, which the SQL of tasks may use."""

from __future__ import annotations

from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.project.findings import ProjectError
from ai.starlake.project.models.refs import TableRef
from ai.starlake.project.patterns import java_pattern
from ai.starlake.project.reading.invalid import Origin, build
from ai.starlake.project.settings import Settings


def read_refs(settings: Settings) -> tuple[TableRef, ...]:
    """Return the references of a project, in order; the first one that matches a name applies.

    Raises:
        ProjectError: If the file is invalid.
    """
    file = Path(settings.areas.metadata) / "refs.sl.yml"
    if not file.is_file():
        return ()
    content = settings.store.read(file, "refs")
    if not isinstance(content.data, list):
        finding = content.document.finding(("refs",), "refs must be a list", "write each as - input: ... output: ...")
        raise ProjectError([finding])
    unread = settings.store.errors([file])
    if unread:
        raise ProjectError(unread)
    refs = []
    for index, item in enumerate(content.data):
        origin = Origin(content.document, ("refs", index))
        if not isinstance(item, dict):
            raise ProjectError([content.document.finding(origin.path, "a reference has input and output")])
        ref = build(TableRef, item, [origin])
        try:
            for pattern in (ref.input.table, ref.input.domain, ref.input.database):
                java_pattern(pattern or "")
        except StarlakeError as error:
            raise ProjectError([content.document.finding((*origin.path, "input"), str(error))]) from error
        refs.append(ref)
    return tuple(refs)
