"""The object tree of one device: an LwM2M client's read, write, create, delete and discover."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from simulator.models import MODELS, NOW, Json, Resource, resource_model
from simulator.nodes import Node, Path
from simulator.responses import Refused

Instance = dict[int, Json]
Tree = dict[int, dict[int, Instance]]

ROOT: Final[Path] = ()


class Objects:
    """A device's objects. Nothing is copied before the first write: 100,000 devices share one tree until then.

    Raises:
        Refused: by every method, if a client would answer with an error code.
    """

    __slots__ = ("_attributes", "_own", "_tree")

    def __init__(self, pristine: Tree) -> None:
        self._tree = pristine
        self._own = False
        self._attributes: dict[Path, dict[str, str]] = {}

    # --- reading

    def instances(self) -> Iterator[Path]:
        """Return the paths of all object instances."""
        return ((object_id, id_) for object_id, instances in self._tree.items() for id_ in instances)

    def read(self, path: Path, format_: str | None = None) -> Json:
        """Return the node at a path; ``format_`` is the requested content format."""
        if path == ROOT:
            return {"kind": "root", "objects": [self.read((object_id,)) for object_id in self._tree]}
        instances = self._object(path)
        if len(path) == 1:
            nodes = [self._instance_node(path[0], id_, instance) for id_, instance in instances.items()]
            return {"instances": nodes, "kind": "obj", "id": path[0]}
        instance = _have(instances, path[1])
        if len(path) == 2:
            return self._instance_node(path[0], path[1], instance)
        return self._resource(path, instance, format_)

    def _resource(self, path: Path, instance: Instance, format_: str | None) -> Json:
        model = resource_model(path[0], path[2])
        if model is not None and not model.readable:
            raise Refused(405)
        value = _have(instance, path[2])
        if model is None:
            raise Refused(404)
        if format_ == "OPAQUE" and model.type != "OPAQUE":
            raise Refused(500)
        if len(path) == 3:
            return resource_node(model, value)
        if not model.multiple:
            raise Refused(400)
        item = _have(value, path[3])
        return {"kind": "resourceInstance", "id": path[3], "type": model.type, "value": item}

    def _instance_node(self, object_id: int, instance_id: int, instance: Instance) -> Json:
        models = MODELS[object_id].resources
        nodes = [resource_node(models[id_], value) for id_, value in instance.items() if models[id_].readable]
        return {"kind": "instance", "resources": nodes, "id": instance_id}

    def read_many(self, paths: Iterable[Path]) -> dict[str, Json]:
        """READ_COMPOSITE: return the nodes of the paths; missing ones are left out; NOT_FOUND only if none exists."""
        found = {}
        for path in paths:
            try:
                found[text(path)] = self.read(path)
            except Refused:
                continue
        if not found:
            raise Refused(404)
        return found

    def value(self, path: Path) -> Json:
        """Return the stored value of a resource, None if there is none."""
        return self._tree.get(path[0], {}).get(path[1], {}).get(path[2])

    # --- writing

    def put(self, path: Path, value: Json) -> None:
        """Set a resource's value (or a resource instance's) from within the device, whether writable or not."""
        instance = self._mine().setdefault(path[0], {}).setdefault(path[1], {})
        if len(path) == 4:
            instance.setdefault(path[2], {})[path[3]] = value
        else:
            instance[path[2]] = value

    def write(self, path: Path, node: Node, *, replace: bool) -> None:
        """WRITE to an instance, a resource or a resource instance."""
        instance = _have(self._object(path), path[1])
        if len(path) == 2:
            self._write_instance(path, node, replace=replace)
            return
        model = _writable(path, instance)
        target = self._mine()[path[0]][path[1]]
        if len(path) == 4:
            if not model.multiple or path[3] not in instance.get(path[2], {}):
                raise Refused(404)
            target[path[2]][path[3]] = node.value
        elif model.multiple != (node.kind == "multiResource"):
            raise Refused(400, "a single value for a multiple resource, or the other way round")
        else:
            target[path[2]] = (
                node.value if replace or not model.multiple else {**instance.get(path[2], {}), **node.value}
            )

    def _write_instance(self, path: Path, node: Node, *, replace: bool) -> None:
        resources: Mapping[int, Node] = node.value
        for id_ in resources:
            _writable((*path, id_), {})
        instances = self._mine()[path[0]]
        written = {id_: resource.value for id_, resource in resources.items()}
        instances[path[1]] = written if replace else {**instances[path[1]], **written}

    def write_many(self, nodes: Sequence[tuple[Path, Node]]) -> None:
        """WRITE_COMPOSITE: a single bad path, and nothing is changed."""
        for path, _ in nodes:
            self._check_composite(path)
        for path, node in nodes:
            self.put(path, node.value)

    def _check_composite(self, path: Path) -> None:
        for depth, level in enumerate(("object", "object instance", "resource"), 1):
            part = self._tree.get(path[0]) if depth == 1 else self._tree[path[0]].get(path[1])
            known = resource_model(path[0], path[2]) if depth == 3 else part
            if known is None:
                raise Refused(404, f"{level} {text(path[:depth])} not found")
        model = resource_model(path[0], path[2])
        if model is None or not model.writable:
            raise Refused(405, f"resource {text(path[:3])} is not writable")

    def create(self, object_id: int, node: Node) -> int:
        """CREATE: return the new instance's id. Resources that are not given have their initial values."""
        instances = self._object((object_id,))
        model = MODELS[object_id]
        if not model.multiple:
            raise Refused(400, "an instance already exist for this single instance object")
        id_ = max(instances, default=-1) + 1 if node.id is None else node.id
        if id_ in instances:
            raise Refused(400, f"instance {id_} already exists")
        given = {resource_id: resource.value for resource_id, resource in node.value.items()}
        self._mine()[object_id][id_] = {**copy.deepcopy(dict(model.values)), **given}
        return id_

    def delete(self, path: Path) -> None:
        """DELETE an object instance."""
        _have(self._object(path), path[1])
        if MODELS[path[0]].mandatory:
            raise Refused(405)
        del self._mine()[path[0]][path[1]]

    def fill(self, path: Path, values: Mapping[int, Json]) -> None:
        """Set values of a whole instance from within the device."""
        self._mine()[path[0]][path[1]].update(copy.deepcopy(dict(values)))

    def write_attributes(self, path: Path, attributes: Mapping[str, str | None]) -> None:
        """WRITE_ATTRIBUTES: an attribute without value is unset."""
        self._check_there(path)
        own = self._attributes.setdefault(path, {})
        for name, value in attributes.items():
            if value is None:
                own.pop(name, None)
            else:
                own[name] = value

    def executable(self, path: Path) -> None:
        """Check that EXECUTE is allowed on this path."""
        _have(self._object(path), path[1])
        model = resource_model(path[0], path[2])
        if model is None:
            raise Refused(404)
        if not model.executable:
            raise Refused(405)

    # --- discovering

    def discover(self, path: Path) -> list[Json]:
        """DISCOVER: return links with their attributes."""
        self._check_there(path)
        instances = self._tree[path[0]]
        links = [self._link(path[:1])] if len(path) == 1 else []
        for instance_id, instance in instances.items():
            if len(path) > 1 and path[1] != instance_id:
                continue
            own = (path[0], instance_id)
            resources = [*instance, *(id_ for id_ in MODELS[path[0]].listed_executables() if id_ not in instance)]
            links += [] if len(path) == 3 else [self._link(own)]
            links += [self._link((*own, id_)) for id_ in resources if len(path) < 3 or path[2] == id_]
        return links

    def _link(self, path: Path) -> Json:
        attributes: dict[str, str] = {}
        model = MODELS[path[0]]
        if len(path) == 1 and model.version != "1.0":
            attributes["ver"] = model.version
        if len(path) == 3 and model.resources[path[2]].multiple:
            attributes["dim"] = str(len(self.value(path) or {}))
        return {"url": text(path), "attributes": attributes | self._attributes.get(path, {})}

    # --- the tree

    def _object(self, path: Path) -> dict[int, Instance]:
        return _have(self._tree, path[0])  # type: ignore[no-any-return]

    def _check_there(self, path: Path) -> None:
        instances = self._object(path)
        instance = _have(instances, path[1]) if len(path) > 1 else {}
        model = resource_model(path[0], path[2]) if len(path) > 2 else None
        if len(path) > 2 and path[2] not in instance and not (model and model.executable):
            raise Refused(404)

    def _mine(self) -> Tree:
        if not self._own:
            self._tree = copy.deepcopy(self._tree)
            self._own = True
        return self._tree


def pristine_tree(objects: Sequence[int]) -> Tree:
    """Return the tree that new devices with these objects share."""
    return {object_id: {0: dict(MODELS[object_id].values)} for object_id in objects}


def resource_node(model: Resource, value: Json) -> Json:
    """Return a resource's node with its keys in Leshan's order."""
    if model.multiple:
        return {
            "kind": "multiResource",
            "values": {str(k): v for k, v in value.items()},
            "id": model.id,
            "type": model.type,
        }
    shown = int(time.time()) * 1000 if value == NOW and model.type == "TIME" else value
    return {"kind": "singleResource", "id": model.id, "type": model.type, "value": shown}


def text(path: Path) -> str:
    """Return the path's text: ``"/3/0/9"``."""
    return "/" + "/".join(map(str, path))


def _have(container: Mapping[int, Json], key: int) -> Json:
    try:
        return container[key]
    except KeyError:
        raise Refused(404) from None


def _writable(path: Path, instance: Instance) -> Resource:
    model = resource_model(path[0], path[2])
    if model is None or (instance and path[2] not in instance and not model.writable):
        raise Refused(404)
    if not model.writable:
        raise Refused(405)
    return model
