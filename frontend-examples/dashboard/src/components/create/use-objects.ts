/** Objects that the form offers for its target. */

import { useEffect, useMemo, useState } from "react";

import {
  CommonModelsDocument,
  type EndpointFilter,
  type ModelPartsFragment,
  OneModelDocument,
  TargetObjectsDocument,
} from "../../api/generated";
import { useLive } from "../../api/live";
import { useRun } from "../../api/run";
import { mergeObjects, type Objects, parsePath } from "./models";

const READ_SECONDS = 5;

/**
 * Objects of the first endpoints of a filter, and those of `paths`. Common ones are added unless the target is one endpoint
 * whose objects are known.
 */
export function useObjects(filter: EndpointFilter, isOne: boolean, paths: readonly string[]): Objects {
  const run = useRun();
  // again, because the models of a new device are known some seconds after its registration
  const { data } = useLive(TargetObjectsDocument, { filter }, { everySeconds: READ_SECONDS });
  const { data: common } = useLive(CommonModelsDocument, {});
  const [further, setFurther] = useState<ReadonlyMap<number, ModelPartsFragment | null>>(new Map());

  const objects = useMemo(() => {
    const isKnown = data?.endpoints?.edges.some(({ node }) => node.objects.length > 0);
    const shared = isOne && isKnown ? [] : Object.values(common ?? {});
    return mergeObjects(data, [...shared, ...further.values()]);
  }, [data, common, further, isOne]);

  const missing = paths
    .map((path) => parsePath(path)?.[0])
    .find((id) => id !== undefined && !objects.get(id)?.model && !further.has(id));
  useEffect(() => {
    if (missing === undefined || !data || !common) return;
    void run(OneModelDocument, { objectId: missing }).then((result) => {
      setFurther((old) => new Map(old).set(missing, result.data?.objectModel ?? null));
    });
  }, [run, missing, data, common]);
  return objects;
}
