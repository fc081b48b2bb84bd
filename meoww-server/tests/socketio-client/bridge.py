"""One python-socketio client for a program that speaks no Python, as bridge.mjs is for JavaScript.

The same lines go in and out, but for "bytes" and "packet". The argument is "sync" or "async".
"""

import asyncio
import json
import sys
import threading

import socketio

output = threading.Lock()


def happened(on, *args):
    # Handlers run on threads of their own.
    with output:
        print(json.dumps({"on": on, "args": args}), flush=True)


def listen(client):
    """Prints what happens. As in JavaScript, a lost connection is nothing to try again here."""

    def disconnected(reason):
        ours = reason == client.reason.CLIENT_DISCONNECT
        happened("disconnect", "io client disconnect" if ours else reason)

    client.on("*", happened)
    client.on("connect", lambda: happened("connect"))
    client.on("connect_error", lambda error: happened("connect_error", error))
    client.on("disconnect", disconnected)
    return client


def connection(order):
    options = order["options"]
    return {"headers": options["extraHeaders"], "transports": options["transports"]}


def upgraded(client, order):
    """By the time that it is connected, this client has changed its transport or never will."""
    if client.transport() != order["options"]["transports"][0]:
        happened("upgrade", client.transport())


def emission(order):
    """An event without arguments has none, and one with null has null."""
    args = order.get("args", [])
    answered = (lambda *answer: happened("ack", *answer)) if order.get("ack") else None
    return {"event": order["emit"], "data": tuple(args) if args else None, "callback": answered}


def run_sync():
    client = listen(socketio.Client(reconnection=False))
    for line in sys.stdin:
        order = json.loads(line)
        if "connect" in order:
            client.connect(order["connect"], **connection(order))
            upgraded(client, order)
        elif "emit" in order:
            client.emit(**emission(order))
        elif "disconnect" in order:
            client.disconnect()


async def run_async():
    client = listen(socketio.AsyncClient(reconnection=False))
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        if "connect" in order:
            await client.connect(order["connect"], **connection(order))
            upgraded(client, order)
        elif "emit" in order:
            await client.emit(**emission(order))
        elif "disconnect" in order:
            await client.disconnect()


if sys.argv[1] == "async":
    asyncio.run(run_async())
else:
    run_sync()
