"""Plans: several expressions as one list of steps, each shared part once. Both evaluators follow the same plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Self

from features.codes import Concept
from features.language.nodes import LEAVES, Age, Followed, Node, Selection, Windowed, children, walk


@dataclass(frozen=True, eq=False)
class Step:
    """One node, and the places in the plan of the steps it is computed from."""

    node: Node
    operands: tuple[int, ...]
    #: The records a leaf looks at, one object for all leaves that look at the same; None for other nodes.
    selection: Selection | None


#: What a code is about: places of concepts, each with the place of the category the code stands for (None: no state).
Reading = tuple[tuple[int, float | None], ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """What evaluators do for several expressions.

    Attributes
    ----------
    steps
        Distinct nodes, each after all that it is computed from.
    outputs
        The step of each expression.
    concepts
        Distinct concepts whose records are read.
    """

    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    concepts: tuple[Concept, ...]

    @classmethod
    def of(cls, nodes: Iterable[Node]) -> Self:
        """Return the plan of expressions."""
        place: dict[Node, int] = {}
        selections: dict[Selection, Selection] = {}
        concepts: dict[Concept, None] = {}
        steps: list[Step] = []
        outputs = []
        for node in nodes:
            for part in walk(node):
                if part in place:
                    continue
                place[part] = len(steps)
                selection = None
                if isinstance(part, LEAVES):
                    selection = selection_of(part)
                    selection = selections.setdefault(selection, selection)
                    concepts.update(dict.fromkeys(_read(part)))
                steps.append(Step(part, tuple(place[child] for child in children(part)), selection))
            outputs.append(place[node])
        return cls(tuple(steps), tuple(outputs), tuple(concepts))

    @cached_property
    def reading(self) -> Callable[[str], Reading]:
        """What a code is about, by places in ``concepts``; codes repeat, so it is worked out once for each."""
        return lru_cache(maxsize=1 << 16)(self._reading)

    def _reading(self, code: str) -> Reading:
        found = []
        for place, concept in enumerate(self.concepts):
            if concept.covers(code):
                category = concept.category(code) if concept.categories else None
                found.append((place, None if category is None else float(category)))
        return tuple(found)


def selection_of(leaf: Windowed | Age) -> Selection:
    """Return the records a leaf looks at; for an age, those of the birth."""
    return Selection(leaf.birth, valued=False) if isinstance(leaf, Age) else Selection.of(leaf)


def _read(leaf: Windowed | Age) -> list[Concept]:
    """Return the concepts a leaf asks for, any of several as one."""
    selection = selection_of(leaf)
    found = [selection.concept, *(concept for event in selection.events for concept in _read(event))]
    return [*found, leaf.by] if isinstance(leaf, Followed) else found
