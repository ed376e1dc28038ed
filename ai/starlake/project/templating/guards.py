"""Names that a template requires in any branch. Imports jinja2."""

from __future__ import annotations

from jinja2 import meta, nodes

from ai.starlake.project.templating.rendering import environment, explained, references

_ASKING_FILTERS = frozenset({"default", "d"})
_ASKING_TESTS = frozenset({"defined", "undefined"})


def needed(text: str, *, label: str) -> dict[str, bool]:
    """Return the names that a template uses without a test for their existence, in order.

    A test is ``{% if x %}``, ``{{ x | default('') }}``, ``{{ x is defined }}`` or ``{{ x or '' }}``.

    Args:
        text: The template.
        label: Its description, for error messages.

    Returns:
        By name, True if it is used, False if it is only compared.

    Raises:
        StarlakeError: If the template has a syntax error.
    """
    with explained(label):
        tree = environment().parse(text)
    names = _Names()
    names.walk(tree)
    free = meta.find_undeclared_variables(tree)
    found = {name: used for name, used in names.used.items() if name in free and name not in names.asked}
    return {**found, **{name: True for name in references(text) if name not in names.asked}}


class _Names:
    """The names in a Jinja tree."""

    def __init__(self) -> None:
        self.used: dict[str, bool] = {}
        self.asked: set[str] = set()

    def walk(self, node: nodes.Node) -> None:
        """Collect the names that an expression or statement uses."""
        if isinstance(node, nodes.Name):
            self.used[node.name] = True
        elif isinstance(node, nodes.Compare):
            self._compared(node)
        elif not self._asks(node):
            for child in node.iter_child_nodes():
                self.walk(child)

    def _asks(self, node: nodes.Node) -> bool:
        """Collect the names that a node tests; return False for other nodes."""
        asked = _asked(node)
        if asked is None:
            return False
        self._ask(asked)
        for child in node.iter_child_nodes():
            if child is not asked:
                self.walk(child)
        return True

    def _ask(self, node: nodes.Node) -> None:
        """Collect the names of an expression whose truth value is used only."""
        if isinstance(node, nodes.Name):
            self.asked.add(node.name)
        elif isinstance(node, nodes.Getattr | nodes.Getitem):
            self._ask(node.node)
        elif isinstance(node, nodes.And | nodes.Or):
            self._ask(node.left)
            self._ask(node.right)
        elif isinstance(node, nodes.Not):
            self._ask(node.node)
        else:
            self.walk(node)

    def _compared(self, node: nodes.Compare) -> None:
        for child in (node.expr, *(operand.expr for operand in node.ops)):
            if isinstance(child, nodes.Name):
                self.used.setdefault(child.name, False)
            else:
                self.walk(child)


def _asked(node: nodes.Node) -> nodes.Node | None:
    """Return the part of a node that is tested for its truth value or existence."""
    if isinstance(node, nodes.If | nodes.CondExpr):
        return node.test
    if isinstance(node, nodes.And | nodes.Or):
        return node.left
    if isinstance(node, nodes.Not):
        return node.node
    if isinstance(node, nodes.Filter) and node.name in _ASKING_FILTERS:
        return node.node
    if isinstance(node, nodes.Test) and node.name in _ASKING_TESTS:
        return node.node
    return None
