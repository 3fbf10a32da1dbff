"""Serves an aiohttp application on a free port, and says on one line of JSON where."""
import asyncio
import json

from aiohttp import web


async def _serve(app):
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    print(json.dumps({"ready": f"http://127.0.0.1:{port}"}), flush=True)
    await asyncio.Event().wait()


def serve(app):
    asyncio.run(_serve(app))
