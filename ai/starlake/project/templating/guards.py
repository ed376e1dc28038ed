"""Which names a template needs, whatever branch of it is taken. Imports jinja2."""

from __future__ import annotations

from jinja2 import meta, nodes

from ai.starlake.project.templating.rendering import environment, explained, references

_ASKING_FILTERS = frozenset({"default", "d"})
_ASKING_TESTS = frozenset({"defined", "undefined"})


def needed(text: str, *, label: str) -> dict[str, bool]:
    """Return the names that a template uses and nowhere asks for, in order.

    A name is asked for where it may be missing: in ``{% if x %}``, ``{{ x | default('') }}``, ``{{ x is defined }}``,
    ``{{ x or '' }}``.

    Args:
        text: The template.
        label: What it is, for error messages.

    Returns:
        By name whether it is used (True) or compared only (False).

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
    """The names in a tree of Jinja's."""

    def __init__(self) -> None:
        self.used: dict[str, bool] = {}
        self.asked: set[str] = set()

    def walk(self, node: nodes.Node) -> None:
        """Take the names of an expression or statement that uses them."""
        if isinstance(node, nodes.Name):
            self.used[node.name] = True
        elif isinstance(node, nodes.Compare):
            self._compared(node)
        elif not self._asks(node):
            for child in node.iter_child_nodes():
                self.walk(child)

    def _asks(self, node: nodes.Node) -> bool:
        """Take the names of a node that asks for some of them; return False for other nodes."""
        asked = _asked(node)
        if asked is None:
            return False
        self._ask(asked)
        for child in node.iter_child_nodes():
            if child is not asked:
                self.walk(child)
        return True

    def _ask(self, node: nodes.Node) -> None:
        """Take the names of an expression of which only the truth counts."""
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
    """Return the part of a node of which only the truth counts, or whether it is defined."""
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
