"""What must hold for a stretch to run; the comparisons on the way to it rewritten so that their sides are known."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from conformance.kernels.source.distance import REMAINDER, Seen, normal
from conformance.kernels.source.statements import Function, Key, Stretch, functions, inside, key_of

SITE = "\0site "  # a constant of no file, in whose place what a comparison does is called
DEEPEST = 4  # calls from what is sought up to what the suite calls
_HOW: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=",
}  # fmt: skip


# What a condition is made of.


@dataclass(frozen=True)
class Leaf:
    """A comparison, or an expression whose truth decides; 0: what nobody knows of."""

    site: int = 0

    def far(self, seen: Seen, wanted: bool) -> float:
        return normal(seen.far[self.site][not wanted]) if self.site in seen.far else 1.0

    def open(self, seen: Seen, wanted: bool) -> Iterator[tuple[float, float]]:
        """The sides of the comparisons that are not as they should be."""
        if self.site in seen.sides and self.far(seen, wanted):
            yield seen.sides[self.site]


@dataclass(frozen=True)
class Joined:
    """Conditions that hold together, or of which one holds."""

    parts: tuple[Node, ...]
    every: bool

    def far(self, seen: Seen, wanted: bool) -> float:
        far = [part.far(seen, wanted) for part in self.parts]
        return sum(far) if self.every == wanted else min(far, default=1.0)

    def open(self, seen: Seen, wanted: bool) -> Iterator[tuple[float, float]]:
        for part in self.parts:
            yield from part.open(seen, wanted)


@dataclass(frozen=True)
class Opposite:
    part: Node

    def far(self, seen: Seen, wanted: bool) -> float:
        return self.part.far(seen, not wanted)

    def open(self, seen: Seen, wanted: bool) -> Iterator[tuple[float, float]]:
        return self.part.open(seen, not wanted)


Node = Leaf | Joined | Opposite


@dataclass(frozen=True)
class Chain:
    """What must be true, or false, one after the other, for a stretch to run."""

    links: tuple[tuple[Node, bool], ...]

    def far(self, seen: Seen) -> float:
        """How many conditions are left, and how far the first of them is: 0 where all hold."""
        for place, (node, wanted) in enumerate(self.links):
            if far := node.far(seen, wanted):
                return len(self.links) - place - 1 + normal(far)
        return 0.0

    def open(self, seen: Seen) -> list[tuple[float, float]]:
        """The sides of the comparisons by which the first of these does not hold."""
        failing = ((node, wanted) for node, wanted in self.links if node.far(seen, wanted))
        node, wanted = next(failing, (Leaf(), True))
        return list(dict.fromkeys(node.open(seen, wanted)))


# Where the conditions of a file stand.

# Statements that decide, the field with what they ask, what it must be.
Way = tuple[tuple[ast.stmt, str, bool], ...]


@dataclass
class Decisions:
    """The conditions of a file, rewritten in its tree as far as they are asked for.

    places     each statement of a function with what must hold for it, by id
    rewritten  the functions in which something was
    """

    tree: ast.Module
    places: dict[int, tuple[Function, Way]] = field(default_factory=dict)
    rewritten: set[Key] = field(default_factory=set)
    sites: int = 0
    _nodes: dict[tuple[int, str], Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._functions = list(functions(self.tree))
        self._statements: list[tuple[ast.stmt, Function]] = []
        for function in self._functions:
            for statement, way in _ways(function.body, ()):
                self.places[id(statement)] = function, way
                self._statements.append((statement, function))

    def chains(self, stretches: Mapping[int, Stretch]) -> dict[int, Chain]:
        """What must hold for each of these stretches of the tree; their comparisons are rewritten."""
        found = {}
        for number, stretch in stretches.items():
            links = [*self._way_to(stretch.block[stretch.place], set())]
            found[number] = Chain(tuple((self._node(owner, name), wanted) for owner, name, wanted in links))
        ast.fix_missing_locations(self.tree)
        return found

    def _way_to(self, statement: ast.stmt, through: set[str]) -> Way:
        """From what the suite calls to a statement."""
        function, way = self.places[id(statement)]
        calls = (
            each
            for each, of in self._statements
            if of is not function and of.name not in through and function.name in _names_in_head(each)
        )
        call = next(calls, None) if len(through) < DEEPEST else None
        return (*(self._way_to(call, through | {function.name}) if call else ()), *way)

    # Rewriting.

    def _node(self, owner: ast.stmt, name: str) -> Node:
        """What an expression of a statement is, once it is rewritten."""
        key = id(owner), name
        if key not in self._nodes:
            self._nodes[key] = Leaf()  # of one that comes back to itself
            function, _ = self.places[id(owner)]
            new, self._nodes[key] = self._rewrite(getattr(owner, name), function)
            setattr(owner, name, new)
            self.rewritten.add(key_of(function))
        return self._nodes[key]

    def _rewrite(self, test: ast.expr, function: Function) -> tuple[ast.expr, Node]:
        if isinstance(test, ast.BoolOp):
            parts = [self._rewrite(each, function) for each in test.values]
            test.values = [new for new, _ in parts]
            return test, Joined(tuple(node for _, node in parts), isinstance(test.op, ast.And))
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test.operand, node = self._rewrite(test.operand, function)
            return test, Opposite(node)
        if isinstance(test, ast.Compare):
            return self._compared(test, function)
        if isinstance(test, ast.Call):
            return self._called(test, function)
        assigned = _single(function, test.id) if isinstance(test, ast.Name) else None
        if assigned and id(assigned) in self.places:
            return test, self._node(assigned, "value")
        return self._asked(test)

    def _asked(self, test: ast.expr) -> tuple[ast.expr, Node]:
        return self._site(test, "", [test])

    def _compared(self, test: ast.Compare, function: Function, over: str = "any") -> tuple[ast.expr, Node]:
        sides = [test.left, *test.comparators]
        if len(test.ops) > 1 and all(isinstance(each, (ast.Name, ast.Constant)) for each in sides[1:-1]):
            pairs = [ast.Compare(sides[n], [op], [sides[n + 1]]) for n, op in enumerate(test.ops)]
            return self._rewrite(ast.copy_location(ast.BoolOp(ast.And(), [*pairs]), test), function)
        how = _HOW.get(type(test.ops[0]), "")
        if len(test.ops) > 1 or not how:
            return self._asked(test)
        if isinstance(test.left, ast.BinOp) and isinstance(test.left.op, ast.Mod) and how in ("==", "!="):
            return self._site(test, f"{how} {REMAINDER}", [test.left.left, test.left.right, sides[1]])
        return self._site(test, f"{how} {over}", sides)

    def _called(self, test: ast.Call, function: Function) -> tuple[ast.expr, Node]:
        """any() and all() of a comparison, and a function of the file, by what it returns."""
        name = test.func.attr if isinstance(test.func, ast.Attribute) else getattr(test.func, "id", "")
        if name in ("any", "all", "bool"):
            of_array = isinstance(test.func, ast.Attribute) and isinstance(test.func.value, ast.Compare)
            holder = test.func.value if of_array else test.args[0] if test.args else None  # type: ignore[attr-defined]
            if isinstance(holder, ast.Compare):
                new, node = self._compared(holder, function, "any" if name == "bool" else name)
                if of_array:
                    test.func.value = new  # type: ignore[attr-defined]
                else:
                    test.args[0] = new
                return test, node
        called = next((each for each in self._functions if each.name == name), None)
        return (test, self._returned(called)) if called else self._asked(test)

    def _returned(self, function: Function) -> Node:
        """That a function returns what is true: by which return, and what must hold for that."""
        ends = [
            (each, self.places[id(each)][1])
            for each, of in self._statements
            if of is function and isinstance(each, ast.Return) and each.value is not None
        ]
        ways: list[Node] = []
        for end, way in ends:
            if isinstance(end.value, ast.Constant) and not end.value.value:
                continue
            parts = [
                self._node(owner, name) if wanted else Opposite(self._node(owner, name))
                for owner, name, wanted in way
            ]
            value = [] if isinstance(end.value, ast.Constant) else [self._node(end, "value")]
            ways.append(Joined((*parts, *value), True))
        return Joined(tuple(ways), False) if ways else Leaf()

    def _site(self, test: ast.expr, what: str, arguments: list[ast.expr]) -> tuple[ast.expr, Node]:
        self.sites += 1
        call = ast.Call(ast.Constant(f"{SITE}{self.sites} {what}".rstrip()), arguments, [])
        return ast.copy_location(call, test), Leaf(self.sites)


def calling(constant: str, seen: Seen) -> object:
    """What is called in the place of a constant."""
    site, *what = constant.removeprefix(SITE).split()
    return seen.comparing(int(site), *what) if what else seen.asking(int(site))


def _ways(block: Collection[ast.stmt], way: Way) -> Iterator[tuple[ast.stmt, Way]]:
    """The statements of a list, and those inside of them, each with what must hold for it to run."""
    for statement in block:
        yield statement, way
        for inner, _, part in inside(statement):
            yield from _ways(inner, (*way, *_asked_by(statement, part == "body")))
        if isinstance(statement, ast.If):
            for arm, wanted in ((statement.body, False), (statement.orelse, True)):
                way = (*way, (statement, "test", wanted)) if arm and _leaves(arm) else way


def _asked_by(statement: ast.stmt, body: bool) -> Way:
    if isinstance(statement, (ast.If, ast.While)):
        return ((statement, "test", body),)
    return ((statement, "iter", True),) if isinstance(statement, ast.For) and body else ()


def _leaves(block: list[ast.stmt]) -> bool:
    """Whether nothing behind a list of statements runs after it."""
    last = block[-1]
    if isinstance(last, ast.If):
        return bool(last.orelse) and _leaves(last.body) and _leaves(last.orelse)
    return isinstance(last, (ast.Return, ast.Raise, ast.Continue, ast.Break))


def _names_in_head(statement: ast.stmt) -> set[str]:
    """The names in a statement, those of statements inside of it apart."""
    heads = [
        each for each in ast.iter_child_nodes(statement) if not isinstance(each, (ast.stmt, ast.arguments))
    ]
    nodes = [
        node
        for head in heads
        if not isinstance(head, (ast.ExceptHandler, ast.match_case))
        for node in ast.walk(head)
    ]
    return {node.id for node in nodes if isinstance(node, ast.Name)} | {
        node.attr for node in nodes if isinstance(node, ast.Attribute)
    }


def _single(function: Function, name: str) -> ast.Assign | None:
    """The only statement that gives a name of a function its value, where that is a condition."""
    stores = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
    ]
    assigned = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and node.targets[0] in stores
    ]
    conditions = (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Call)
    return (
        assigned[0]
        if len(stores) == 1 == len(assigned) and isinstance(assigned[0].value, conditions)
        else None
    )
