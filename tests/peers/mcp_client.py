"""Asks an MCP server with the official client: `{url, token, person, modes, calls: [{name, arguments}]}` gives for each mode
its version, the names of the tools and what the calls gave."""

import asyncio
import json
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

asked = json.load(sys.stdin)


async def one(mode):
    headers = {"authorization": f"Bearer {asked['token']}", "x-takt-person": asked["person"]}
    async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
        transport = streamable_http_client(asked["url"], http_client=http)
        async with Client(transport, mode=mode) as client:
            tools = (await client.list_tools()).tools
            results = []
            for call in asked["calls"]:
                try:
                    result = await client.call_tool(call["name"], call["arguments"])
                    results.append(
                        {
                            "is_error": result.is_error,
                            "structured": result.structured_content,
                            "text": result.content[0].text,
                        }
                    )
                except Exception as error:
                    results.append({"refused": getattr(error, "code", type(error).__name__)})
            return {
                "version": client.protocol_version,
                "server": client.server_info.name if client.server_info else None,
                "tools": [tool.name for tool in tools],
                "results": results,
            }


async def main():
    json.dump({mode: await one(mode) for mode in asked["modes"]}, sys.stdout)


asyncio.run(main())
