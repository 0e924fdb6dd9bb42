#!/usr/bin/env bash
# graphql-core 3.3.2: an execution that is canceled leaves coroutines of resolvers that are never awaited.
#
# Expected: a client that leaves while its query is executed cancels the task of the execution, and graphql-core closes
# what it has begun: each resolver was awaited and ends by the CancelledError, with one field as with several.
# Observed: with one field it does. With two, `gather_with_cancel` makes a task of each field's completion, which holds
# the resolver's coroutine. A cancellation that arrives before these tasks have started ends the completion only: both
# resolvers never run, and Python warns of each that it "was never awaited". A server in which warnings are errors, or a
# test suite, fails by a client that leaves at this moment.
# Workaround: execute the event of a subscription in a task of its own, and await its end when the client leaves.
#
# Needs Python 3.11 or newer; everything is installed in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check graphql-core==3.3.2

cat >finding.py <<'PYTHON'
import asyncio
import gc
import warnings

from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, GraphQLString, execute, parse


async def resolve(*_):
    await asyncio.sleep(0)
    return "value"


fields = {"one": GraphQLField(GraphQLString, resolve=resolve), "two": GraphQLField(GraphQLString, resolve=resolve)}
schema = GraphQLSchema(GraphQLObjectType("Query", fields))


async def cancel_after(turns, document):
    task = asyncio.ensure_future(execute(schema, parse(document)))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()


for document in ("{ one }", "{ one two }"):
    for turns in (1, 2):
        seen = []
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, *_: seen.append(str(message))
            canceled = asyncio.run(cancel_after(turns, document))
            gc.collect()
        print(f"{document} after {turns}: canceled {canceled}", *seen, sep="; ")
PYTHON
venv/bin/python finding.py | tee seen

cat >expected <<'TEXT'
{ one } after 1: canceled True
{ one } after 2: canceled False
{ one two } after 1: canceled True; coroutine 'resolve' was never awaited; coroutine 'resolve' was never awaited
{ one two } after 2: canceled True
TEXT
diff expected seen && echo "As found: two fields leave resolvers that are never awaited, one field does not."
