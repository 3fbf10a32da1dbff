"""Slack's side of Socket Mode: gives out connections, sends frames and keeps what came back. Acknowledgements are read with
slack_sdk's own models, and `/_official` lets slack_sdk's own client answer a frame in Takt's place, so that this server
is one that Slack's client takes for Slack. One line `{ready}` when it listens."""

import asyncio
import json

from aiohttp import WSMsgType, web
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from serving import serve

sockets, acks, opened, whispers, views = [], {}, [], [], []


async def open_connection(request):
    if request.headers.get("Authorization") != "Bearer xapp-test":
        return web.json_response({"ok": False, "error": "invalid_auth"})
    opened.append(1)
    return web.json_response({"ok": True, "url": f"ws://{request.host}/link/?ticket={len(opened)}"})


async def link(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    sockets.append(socket)
    await socket.send_json({"type": "hello", "num_connections": len(sockets), "connection_info": {"app_id": "A0TAKT"},
                            "debug_info": {"host": "applink", "build_number": 1, "approximate_connection_time": 18060}})
    await socket.ping()
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            said = json.loads(message.data)
            waiting = acks.get(said.get("envelope_id"))
            if waiting and not waiting.done():
                waiting.set_result(said)
    sockets.remove(socket)
    return socket


async def method(request):
    body = await request.json() if request.can_read_body else {}
    name = request.match_info["method"]
    {"chat.postEphemeral": whispers, "views.open": views}.get(name, []).append(body)
    return web.json_response({"ok": True, "channel": "C1", "ts": "1.2"})


async def send(request):
    frame = await request.json()
    # slack_sdk reads it as a request before it goes out.
    assert SocketModeRequest.from_dict(frame).envelope_id == frame["envelope_id"]
    waiting = acks[frame["envelope_id"]] = asyncio.get_running_loop().create_future()
    await sockets[-1].send_json(frame)
    said = await asyncio.wait_for(waiting, 5)
    model = SocketModeResponse(envelope_id=said["envelope_id"], payload=said.get("payload"))
    assert model.to_dict() == said, (model.to_dict(), said)
    return web.json_response(said)


async def disconnect(request):
    asked = await request.json()
    await sockets[-1].send_json({"type": "disconnect", "reason": asked["reason"], "debug_info": {"host": "applink"}})
    return web.json_response({})


async def drop(request):
    for socket in list(sockets):
        await socket.close()
    return web.json_response({})


async def state(request):
    return web.json_response({"connections": len(sockets), "opened": len(opened), "whispers": whispers, "views": views})


async def official(request):
    frame = await request.json()
    client = SocketModeClient(
        app_token="xapp-test", web_client=AsyncWebClient(base_url=f"http://{request.host}/api/"))

    async def answer(client, request):
        await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))

    client.socket_mode_request_listeners.append(answer)
    await client.connect()
    waiting = acks[frame["envelope_id"]] = asyncio.get_running_loop().create_future()
    await sockets[-1].send_json(frame)
    said = await asyncio.wait_for(waiting, 5)
    await client.close()
    return web.json_response(said)


app = web.Application()
app.add_routes([
    web.post("/api/apps.connections.open", open_connection), web.get("/link/", link),
    web.post("/api/{method}", method), web.get("/api/{method}", method), web.post("/_send", send),
    web.post("/_disconnect", disconnect), web.post("/_drop", drop), web.get("/_state", state),
    web.post("/_official", official),
])


serve(app)
