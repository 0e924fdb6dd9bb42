import { expect, test } from "vitest";

import { buildTree, filterTree, lineName, permits, type Registered } from "./tree";

const model = (resourceId: number, name: string, operations: string) =>
  ({ resourceId, name, type: "FLOAT", operations, multiple: false, range: null, units: null }) as const;
const TEMPERATURE: Registered = {
  objectId: 3303,
  version: "1.1",
  instances: [0, 10],
  model: { name: "Temperature", resources: [model(5700, "Sensor Value", "R"), model(5605, "Reset", "E")] },
};
const UNKNOWN: Registered = { objectId: 27000, version: "1.0", instances: [0], model: null };

test("resources of a known object are listed for each instance, whether they have a value or not", () => {
  const [object] = buildTree([TEMPERATURE], ["/3303/0/5700"]);
  expect(object?.instances.map(({ path }) => path)).toEqual(["/3303/0", "/3303/10"]);
  expect(object?.instances[1]?.lines.map(lineName)).toEqual(["Reset", "Sensor Value"]);
});

test("an object of unknown model has its values by their ids", () => {
  const [object] = buildTree([UNKNOWN], ["/27000/0/10", "/27000/0/9/1"]);
  expect([object?.name, object?.instances[0]?.lines.map(({ path }) => path)]).toEqual([null, ["/27000/0/9/1", "/27000/0/10"]]);
  expect(object?.instances[0]?.lines.map(lineName)).toEqual(["Resource 9 [1]", "Resource 10"]);
});

test("values of an object that is not registered any more are listed", () => {
  const tree = buildTree([TEMPERATURE], ["/5/0/3"]);
  expect(tree.map(({ id, version }) => [id, version])).toEqual([
    [5, null],
    [3303, "1.1"],
  ]);
});

test("the filter finds names of objects and resources, and paths", () => {
  const tree = buildTree([TEMPERATURE, UNKNOWN], ["/27000/0/10"]);
  const found = (text: string) =>
    filterTree(tree, text, () => true).flatMap(({ instances }) =>
      instances.flatMap(({ lines }) => lines.map(({ path }) => path)),
    );
  expect(found("temper")).toHaveLength(4);
  expect(found("SENSOR")).toEqual(["/3303/0/5700", "/3303/10/5700"]);
  expect(found("/27000")).toEqual(["/27000/0/10"]);
});

test("a resource permits what its model states, an unknown one everything", () => {
  const permitted = (line: Parameters<typeof permits>[0]) =>
    (["R", "W", "E"] as const).filter((one) => permits(line, one)).join("");
  expect(permitted({ path: "/3303/0/5605", model: model(5605, "Reset", "E") })).toBe("E");
  expect(permitted({ path: "/27000/0/1", model: null })).toBe("RWE");
});
